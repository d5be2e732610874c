//! Whose classifier learns: the names of recipients' classifiers.

use super::Settings;

impl Settings {
    /// The name of a recipient's classifier: the address in lower case, without `+detail`.
    pub fn user(&self, address: &str) -> String {
        let address = address.trim().trim_matches(['<', '>']).to_ascii_lowercase();
        match address.rsplit_once('@') {
            Some((local, domain)) => format!("{}@{domain}", local.split('+').next().filter(|name| !name.is_empty()).unwrap_or(local)),
            None => address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_detail_names_the_same_recipient() {
        let settings = Settings::default();
        assert_eq!(settings.user("<Anna+Lists@Example.ORG>"), "anna@example.org");
        assert_eq!(settings.user("+x@example.org"), "+x@example.org");
        assert_eq!(settings.user("Anna"), "anna");
    }
}
