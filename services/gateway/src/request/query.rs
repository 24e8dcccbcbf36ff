//! The query string: names and values in the order they were sent; the first of a name counts, as in Go's `Values.Get`.

/// A parsed query. Small, so looked up by walking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Query {
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of this name; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// Whether the name occurs at all, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// Every value of this name, in order: `command=ls&command=-l`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A boolean as upstream converts it: present without a value, or with any value but `false` and `0`, is true
    /// (k8s.io/apimachinery/pkg/runtime/converter `Convert_Slice_string_To_bool`).
    pub fn flag(&self, name: &str) -> bool {
        self.tri(name).unwrap_or(false)
    }

    /// As `flag`, telling absence from `false`.
    pub fn tri(&self, name: &str) -> Option<bool> {
        let value = self.0.iter().find(|(n, _)| n == name)?;
        Some(!matches!(value.1.to_ascii_lowercase().as_str(), "false" | "0"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_true_unless_it_says_otherwise() {
        for (text, expected) in [
            ("watch", true),
            ("watch=", true),
            ("watch=1", true),
            ("watch=true", true),
            ("watch=yes", true),
            ("watch=false", false),
            ("watch=False", false),
            ("watch=0", false),
            ("other=1", false),
        ] {
            assert_eq!(Query::parse(text).flag("watch"), expected, "{text}");
        }
    }

    #[test]
    fn repeated_names_keep_their_order() {
        let query = Query::parse("command=sh&command=-c&stdin=true&command=a%20b");
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c", "a b"]);
        assert_eq!(query.get("command"), Some("sh"));
    }
}
