//! Configuration: a raw struct as the file spells it, a validated struct as the code uses it.
//!
//! The raw struct denies unknown keys, so a misspelt setting fails at start instead of being ignored.
//! Validation happens once; whoever holds the validated value need not look again.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Settings as a file or the command line spells them.
///
/// Implementors carry `#[serde(deny_unknown_fields)]`.
pub trait Raw: DeserializeOwned {
    /// The same settings, checked and in the types the code uses.
    type Valid;

    /// Checks everything at once, so that one run shows every mistake.
    ///
    /// # Errors
    /// One sentence per mistake, each naming the setting and what to write instead.
    fn validate(self) -> Result<Self::Valid, Vec<String>>;
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not valid: {}", source.message())]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{path} asks for what cannot be:\n  {}", mistakes.join("\n  "))]
    Invalid { path: PathBuf, mistakes: Vec<String> },
}

/// Reads and validates a TOML file.
///
/// # Errors
/// [`ConfigError`] when the file can't be read, has unknown or wrongly typed keys, or fails validation.
pub fn load<R: Raw>(path: &Path) -> Result<R::Valid, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    parse::<R>(&text, path)
}

/// Validates the text of a TOML file; `path` is only for messages.
///
/// # Errors
/// As [`load`], except for reading.
pub fn parse<R: Raw>(text: &str, path: &Path) -> Result<R::Valid, ConfigError> {
    let raw: R = toml::from_str(text)
        .map_err(|source| ConfigError::Parse { path: path.into(), source: Box::new(source) })?;
    raw.validate().map_err(|mistakes| ConfigError::Invalid { path: path.into(), mistakes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct RawPort {
        port: u32,
    }

    impl Raw for RawPort {
        type Valid = u16;

        fn validate(self) -> Result<u16, Vec<String>> {
            u16::try_from(self.port).map_err(|_| vec![format!("port {} is above 65535", self.port)])
        }
    }

    fn message(text: &str) -> String {
        parse::<RawPort>(text, Path::new("rutter.toml")).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_becomes_its_validated_form() {
        assert_eq!(parse::<RawPort>("port = 6443", Path::new("rutter.toml")).unwrap(), 6443);
    }

    #[test]
    fn an_unknown_key_fails_and_is_named() {
        assert!(message("port = 1\nprot = 2").contains("unknown field `prot`"));
    }

    #[test]
    fn a_value_out_of_range_fails_with_its_sentence() {
        assert!(message("port = 70000").contains("port 70000 is above 65535"));
    }
}
