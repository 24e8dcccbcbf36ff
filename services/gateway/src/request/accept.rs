//! Content negotiation, as k8s.io/apiserver/pkg/endpoints/handlers/negotiation does it: the first acceptable clause of
//! `Accept`, ordered by quality, decides format and shape; an unacceptable one is 406, a foreign `Content-Type` 415.

use rutter_apimachinery::table::Version;

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Yaml,
    Protobuf,
}

pub const JSON: &str = "application/json";
pub const YAML: &str = "application/yaml";
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// What a refusal lists as supported.
pub const SUPPORTED: [&str; 3] = [JSON, YAML, PROTOBUF];

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => JSON,
            Format::Yaml => YAML,
            Format::Protobuf => PROTOBUF,
        }
    }
}

/// What is written: the object itself, or a view of it that the client asked for with `as=…;g=meta.k8s.io;v=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Object,
    Table(Version),
    Partial(Version),
    PartialList(Version),
}

/// What the client reads. `pretty` indents JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {
    pub format: Format,
    pub shape: Shape,
    pub pretty: bool,
}

impl Accept {
    pub const PLAIN: Accept = Accept { format: Format::Json, shape: Shape::Object, pretty: false };

    /// The first clause that we can write, best quality first; an absent or empty header takes JSON.
    pub fn negotiate(header: Option<&str>, pretty: bool) -> Option<Accept> {
        Accept::negotiate_where(header, pretty, |_| true)
    }

    /// The first clause that asks for nothing but a shape there is.
    pub fn negotiate_where(
        header: Option<&str>,
        pretty: bool,
        has: impl Fn(Shape) -> bool,
    ) -> Option<Accept> {
        let header = header.map(str::trim).filter(|h| !h.is_empty()).unwrap_or("*/*");
        let clauses = clauses(header);
        let mut accepted = clauses.iter().filter_map(Clause::accepted);
        accepted.find(|accept| has(accept.shape)).map(|accept| Accept { pretty, ..accept })
    }
}

/// What the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentType;

impl ContentType {
    /// The format of a body; none if we can't read it. An absent header means JSON.
    pub fn format(header: Option<&str>) -> Option<Format> {
        match media_type(header.unwrap_or(JSON)).as_str() {
            "" | JSON => Some(Format::Json),
            YAML | "application/x-yaml" | "text/yaml" => Some(Format::Yaml),
            PROTOBUF => Some(Format::Protobuf),
            _ => None,
        }
    }
}

/// A header's media type without its parameters, in lower case.
pub fn media_type(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// One alternative of an `Accept` header.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    pub media: String,
    /// In thousandths.
    pub quality: u16,
    pub parameters: Vec<(String, String)>,
}

impl Clause {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn accepted(&self) -> Option<Accept> {
        Some(Accept { format: self.format()?, shape: self.shape()?, pretty: false })
    }

    pub fn format(&self) -> Option<Format> {
        match self.media.as_str() {
            JSON | "*/*" | "application/*" => Some(Format::Json),
            YAML => Some(Format::Yaml),
            PROTOBUF => Some(Format::Protobuf),
            _ => None,
        }
    }

    fn shape(&self) -> Option<Shape> {
        let Some(wanted) = self.parameter("as") else { return Some(Shape::Object) };
        if self.parameter("g") != Some("meta.k8s.io") {
            return None;
        }
        let version = Version::parse(self.parameter("v")?)?;
        match wanted {
            "Table" => Some(Shape::Table(version)),
            "PartialObjectMetadata" => Some(Shape::Partial(version)),
            "PartialObjectMetadataList" => Some(Shape::PartialList(version)),
            _ => None,
        }
    }
}

/// The header's alternatives, best quality first, otherwise in their order.
pub fn clauses(header: &str) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = header.split(',').filter_map(clause).filter(|c| c.quality > 0).collect();
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.quality));
    clauses
}

fn clause(text: &str) -> Option<Clause> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    if media.is_empty() {
        return None;
    }
    let mut quality = 1000;
    let mut parameters = Vec::new();
    for part in parts {
        let Some((name, value)) = part.split_once('=') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        match name.as_str() {
            "q" => quality = value.parse::<f32>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16),
            _ => parameters.push((name, value.to_owned())),
        }
    }
    Some(Clause { media, quality, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_is_not_there_is_passed_over() {
        let untabled = |header: &str| {
            Accept::negotiate_where(Some(header), false, |shape| !matches!(shape, Shape::Table(_)))
        };
        assert_eq!(untabled("application/json;as=Table;v=v1;g=meta.k8s.io"), None);
        let fallback = untabled("application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
        assert_eq!(fallback, Some(Accept::PLAIN));
    }

    #[test]
    fn the_first_clause_we_can_write_decides() {
        use Format::*;
        let table = Shape::Table(Version::V1);
        let cases = [
            (None, Some((Json, Shape::Object))),
            (Some(""), Some((Json, Shape::Object))),
            (Some("*/*"), Some((Json, Shape::Object))),
            (Some("application/yaml"), Some((Yaml, Shape::Object))),
            (Some("application/vnd.kubernetes.protobuf,application/json"), Some((Protobuf, Shape::Object))),
            (Some("application/json;q=0.1, application/yaml"), Some((Yaml, Shape::Object))),
            (
                Some(
                    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                ),
                Some((Json, table)),
            ),
            (
                Some("application/json;as=Table;v=v9;g=meta.k8s.io,application/json"),
                Some((Json, Shape::Object)),
            ),
            (Some("application/json;as=Table;v=v9;g=meta.k8s.io"), None),
            (
                Some("application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
                Some((Protobuf, Shape::PartialList(Version::V1))),
            ),
            (Some("text/html"), None),
            (Some("image/png;q=1, */*;q=0.8"), Some((Json, Shape::Object))),
        ];
        for (header, expected) in cases {
            let got = Accept::negotiate(header, false).map(|a| (a.format, a.shape));
            assert_eq!(got, expected, "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read(header in "[a-z*/;,=. q0-9\"]{0,80}") {
            Accept::negotiate(Some(&header), true);
            ContentType::format(Some(&header));
        }
    }

    #[test]
    fn bodies_are_json_yaml_or_protobuf() {
        assert_eq!(ContentType::format(None), Some(Format::Json));
        assert_eq!(ContentType::format(Some("application/json; charset=utf-8")), Some(Format::Json));
        assert_eq!(ContentType::format(Some("application/vnd.kubernetes.protobuf")), Some(Format::Protobuf));
        assert_eq!(ContentType::format(Some("text/plain")), None);
    }
}
