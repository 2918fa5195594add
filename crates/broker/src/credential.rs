//! Credentials that the user types instead of granting: an API key, or a user name and a password.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::Secret;
use serde::{Deserialize, Serialize};

use crate::variable::UrlTemplate;
use crate::{Provider, TokenRequest, VariableError, VariableValues};

/// The longest credential, in bytes.
const MAX_LEN: usize = 4096;

/// One field of the form in the popup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialField {
    /// What the form calls it, in the provider's own words.
    pub label: String,
    /// Where the user finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What a value looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// Whether it is typed openly. Whatever is not is a password field.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub public: bool,
}

/// A harmless GET that succeeds exactly when the credentials hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Where. May hold the provider's variables, never a credential.
    pub url: UrlTemplate,
    /// Headers in which `{name}` stands for a credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The two halves of `Authorization: Basic` (RFC 7617), in which `{name}` stands for a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<[String; 2]>,
}

impl CredentialField {
    /// Checks what was typed: the value without white space around it, or a sentence for the form.
    pub(crate) fn parse(&self, typed: &str) -> Result<Secret<String>, String> {
        let value = typed.trim();
        if value.is_empty() {
            return Err("Please fill this in.".to_owned());
        }
        if value.len() > MAX_LEN || value.chars().any(char::is_control) {
            return Err(format!("\"{}\" is one line of at most {MAX_LEN} bytes.", self.label));
        }
        Ok(Secret::new(value.to_owned()))
    }
}

impl Verification {
    /// The call that shows whether typed credentials hold.
    pub(crate) fn request(
        &self,
        provider: &Provider,
        values: &VariableValues,
        typed: &BTreeMap<String, Secret<String>>,
    ) -> Result<TokenRequest, VariableError> {
        let mut headers = vec![("accept".to_owned(), Secret::new("application/json".to_owned()))];
        for (name, template) in &self.headers {
            headers.push((name.to_lowercase(), Secret::new(fill(template, typed))));
        }
        if let Some([user, password]) = &self.basic {
            let pair = STANDARD.encode(format!("{}:{}", fill(user, typed), fill(password, typed)));
            headers.push(("authorization".to_owned(), Secret::new(format!("Basic {pair}"))));
        }
        Ok(TokenRequest {
            method: "GET",
            url: Secret::new(self.url.expand(&provider.variables, values)?),
            headers,
            body: Secret::new(String::new()),
        })
    }
}

/// The template with each `{name}` replaced by what was typed. What was typed is not looked at again.
fn fill(template: &str, typed: &BTreeMap<String, Secret<String>>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(typed.get(name).map_or("", |value| value.expose()));
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    fn typed(fields: &[(&str, &str)]) -> BTreeMap<String, Secret<String>> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned()))).collect()
    }

    fn request(
        name: &str,
        params: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> (String, Vec<(String, String)>) {
        let provider = Catalog::embedded().find(name).unwrap();
        let given = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let values = provider.variable_values(&given).unwrap();
        let request =
            provider.verification.as_ref().unwrap().request(provider, &values, &typed(fields)).unwrap();
        let headers = request.headers.into_iter().map(|(name, value)| (name, value.into_exposed())).collect();
        (request.url.into_exposed().into(), headers)
    }

    #[test]
    fn verification_calls_are_those_of_the_documentation() {
        let accept = ("accept".to_owned(), "application/json".to_owned());
        let header = |name: &str, value: &str| vec![accept.clone(), (name.to_owned(), value.to_owned())];
        // curl "https://api.postmarkapp.com/server" -H "Accept: application/json" -H "X-Postmark-Server-Token: .."
        let postmark = request("postmark", &[], &[("server_token", "t-1")]);
        assert_eq!(
            postmark,
            ("https://api.postmarkapp.com/server".to_owned(), header("x-postmark-server-token", "t-1"))
        );
        // Authorization: DeepL-Auth-Key [yourAuthKey]
        let deepl = request("deepl", &[("api_host", "api-free.deepl.com")], &[("api_key", "k:fx")]);
        let expected = header("authorization", "DeepL-Auth-Key k:fx");
        assert_eq!(deepl, ("https://api-free.deepl.com/v2/usage".to_owned(), expected));
        // {email_address}/token:{api_token}, as the documentation encodes its own example.
        let token = "6wiIBWbGkBMo1mRDMuVwkw1EPsNkeUj95PIz2akv";
        let (url, headers) = request(
            "zendesk-api-token",
            &[("subdomain", "acme")],
            &[("email", "jdoe@example.com"), ("api_token", token)],
        );
        assert_eq!(url, "https://acme.zendesk.com/api/v2/users.json?per_page=1");
        let encoded =
            "Basic amRvZUBleGFtcGxlLmNvbS90b2tlbjo2d2lJQldiR2tCTW8xbVJETXVWd2t3MUVQc05rZVVqOTVQSXoyYWt2";
        assert_eq!(headers, header("authorization", encoded));
        // curl --user 'api:YOUR_API_KEY'
        let (url, headers) = request("mailgun", &[], &[("api_key", "YOUR_API_KEY")]);
        assert_eq!(url, "https://api.mailgun.net/v4/domains?limit=1");
        assert_eq!(headers, header("authorization", "Basic YXBpOllPVVJfQVBJX0tFWQ=="));
    }

    #[test]
    fn what_was_typed_stays_one_line_and_is_not_a_template() {
        let field = CredentialField { label: "Key".to_owned(), help: None, example: None, public: false };
        assert_eq!(field.parse(" k-1\n").unwrap().expose(), "k-1");
        for bad in ["", "  ", "a\r\nx-other: b", "a\0b", &"k".repeat(4097)] {
            assert!(field.parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(fill("Bearer {a}", &typed(&[("a", "{b}"), ("b", "secret")])), "Bearer {b}");
    }
}
