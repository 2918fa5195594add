//! Signed requests of OAuth 1.0a (RFC 5849), as pure functions: nonce and time are arguments.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::{Secret, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::SignatureMethod;

/// What is left as it is: the unreserved characters (RFC 5849 3.6, RFC 3986 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who signs: the client, and from the second request on a token (RFC 5849 1.1).
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// How (RFC 5849 3.4).
    pub method: SignatureMethod,
    /// `oauth_consumer_key`.
    pub client_id: &'a str,
    /// The secret shared with the provider.
    pub client_secret: &'a Secret<String>,
    /// Temporary or token credentials: `oauth_token` and its secret.
    pub token: Option<(&'a Secret<String>, &'a Secret<String>)>,
}

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct UnsignedRequest<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Where to. Its query parameters are signed, its fragment is not sent.
    pub url: &'a Url,
    /// The parameters of a form body, which are signed too.
    pub form: &'a [(&'a str, &'a str)],
    /// `oauth_callback` or `oauth_verifier`, which travel in the header.
    pub oauth_params: &'a [(&'a str, &'a str)],
}

impl Signer<'_> {
    /// The value of the `Authorization` header for `request` (RFC 5849 3.5.1). `nonce` is never used twice with one
    /// `now`.
    #[must_use]
    pub fn authorization_header(
        &self,
        request: UnsignedRequest<'_>,
        nonce: &str,
        now: Timestamp,
    ) -> Secret<String> {
        let timestamp = now.as_secs().to_string();
        let mut params = vec![
            ("oauth_consumer_key", self.client_id),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", self.method.as_str()),
            ("oauth_timestamp", &timestamp),
        ];
        if let Some((token, _)) = self.token {
            params.push(("oauth_token", token.expose()));
        }
        params.extend(request.oauth_params);
        params.push(("oauth_version", "1.0"));
        let signature = self.signature(&base_string(request, &params));
        params.push(("oauth_signature", &signature));
        let fields: Vec<_> =
            params.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        Secret::new(format!("OAuth {}", fields.join(", ")))
    }

    /// RFC 5849 3.4.2 to 3.4.4.
    fn signature(&self, base_string: &str) -> String {
        let token_secret = self.token.map_or("", |(_, secret)| secret.expose());
        let key = format!("{}&{}", escape(self.client_secret.expose()), escape(token_secret));
        let algorithm = match self.method {
            SignatureMethod::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            SignatureMethod::HmacSha256 => hmac::HMAC_SHA256,
            SignatureMethod::Plaintext => return key,
        };
        STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), base_string.as_bytes()))
    }
}

/// The signature base string (RFC 5849 3.4.1).
fn base_string(request: UnsignedRequest<'_>, oauth_params: &[(&str, &str)]) -> String {
    let query = request.url.query_pairs().map(|(name, value)| (escape(&name), escape(&value)));
    let rest = request.form.iter().chain(oauth_params).map(|(name, value)| (escape(name), escape(value)));
    // RFC 5849 3.4.1.3.2: sorted as encoded bytes, by name and then by value.
    let mut params: Vec<_> = query.chain(rest).collect();
    params.sort();
    let params: Vec<_> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let method = request.method.to_ascii_uppercase();
    format!("{}&{}&{}", method, escape(&base_string_uri(request.url)), escape(&params.join("&")))
}

/// RFC 5849 3.4.1.2: scheme, host and path; a port only where it is not the scheme's own. `Url` has already put scheme
/// and host into lower case.
fn base_string_uri(url: &Url) -> String {
    let mut uri = url.clone();
    uri.set_query(None);
    uri.set_fragment(None);
    uri.into()
}

pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// The credentials in an answer to a temporary or token credentials request (RFC 5849 2.1 and 2.3): a form-encoded body
/// with `oauth_token` and `oauth_token_secret`, and every parameter as it came, for what else the provider says.
#[derive(Clone, Debug)]
pub struct OAuth1Credentials {
    /// `oauth_token`.
    pub token: Secret<String>,
    /// `oauth_token_secret`.
    pub token_secret: Secret<String>,
    /// `oauth_callback_confirmed` (RFC 5849 2.1), which tells OAuth 1.0a from 1.0.
    pub callback_confirmed: bool,
    /// Every parameter of the answer.
    pub raw: Secret<Vec<(String, String)>>,
}

impl OAuth1Credentials {
    /// Reads the body of an answer; `None` if it lacks a token or its secret, or repeats one.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(body.trim_ascii()).into_owned().collect();
        let once = |name: &str| {
            let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
            values.next().filter(|value| !value.is_empty() && values.next().is_none())
        };
        Some(Self {
            token: Secret::new(once("oauth_token")?),
            token_secret: Secret::new(once("oauth_token_secret")?),
            callback_confirmed: once("oauth_callback_confirmed").as_deref() == Some("true"),
            raw: Secret::new(pairs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    /// The parameters of the header, as a provider reads them.
    fn header_params(header: &Secret<String>) -> Vec<(String, String)> {
        let fields = header.expose().strip_prefix("OAuth ").unwrap().split(", ");
        let unquote = |field: &str| {
            let (name, value) = field.split_once('=').unwrap();
            let value = percent_encoding::percent_decode_str(value.trim_matches('"')).decode_utf8().unwrap();
            (name.to_owned(), value.into_owned())
        };
        fields.map(unquote).collect()
    }

    #[test]
    fn base_string_matches_the_rfc_example() {
        // RFC 5849 3.4.1.1, with the parameters of 3.4.1.3.1.
        let request = UnsignedRequest {
            method: "post",
            url: &Url::parse("HTTP://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b#skip").unwrap(),
            form: &[("c2", ""), ("a3", "2 q")],
            oauth_params: &[],
        };
        let oauth_params = [
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
        ];
        assert_eq!(
            base_string(request, &oauth_params),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D\
             %26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1\
             %26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    /// RFC 5849 1.2 sends no `oauth_version`; the base string is built without it, then signed as always.
    fn rfc_signature(
        token: Option<(&str, &str)>,
        method: &str,
        url: &str,
        params: &[(&str, &str)],
    ) -> String {
        let token = token.map(|(token, token_secret)| (secret(token), secret(token_secret)));
        let signer = Signer {
            method: SignatureMethod::HmacSha1,
            client_id: "dpf43f3p2l4k3l03",
            client_secret: &secret("kd94hf93k423kf44"),
            token: token.as_ref().map(|(token, token_secret)| (token, token_secret)),
        };
        let url = Url::parse(url).unwrap();
        let request = UnsignedRequest { method, url: &url, form: &[], oauth_params: &[] };
        let mut all =
            vec![("oauth_consumer_key", "dpf43f3p2l4k3l03"), ("oauth_signature_method", "HMAC-SHA1")];
        all.extend(token.as_ref().map(|(token, _)| ("oauth_token", token.expose().as_str())));
        all.extend(params);
        signer.signature(&base_string(request, &all))
    }

    #[test]
    fn hmac_sha1_signs_the_rfc_example_to_the_letter() {
        // RFC 5849 1.2, its three requests in turn.
        let temporary = rfc_signature(
            None,
            "POST",
            "https://photos.example.net/initiate",
            &[
                ("oauth_timestamp", "137131200"),
                ("oauth_nonce", "wIjqoS"),
                ("oauth_callback", "http://printer.example.com/ready"),
            ],
        );
        assert_eq!(temporary, "74KNZJeDHnMBp0EMJ9ZHt/XKycU=");
        let token = rfc_signature(
            Some(("hh5s93j4hdidpola", "hdhd0244k9j7ao03")),
            "POST",
            "https://photos.example.net/token",
            &[
                ("oauth_timestamp", "137131201"),
                ("oauth_nonce", "walatlh"),
                ("oauth_verifier", "hfdp7dh39dks9884"),
            ],
        );
        assert_eq!(token, "gKgrFCywp7rO0OXSjdot/IHF7IU=");
        let resource = rfc_signature(
            Some(("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")),
            "GET",
            "http://photos.example.net/photos?file=vacation.jpg&size=original",
            &[("oauth_timestamp", "137131202"), ("oauth_nonce", "chapoH")],
        );
        assert_eq!(resource, "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
    }

    #[test]
    fn plaintext_is_the_two_secrets_escaped() {
        // RFC 5849 3.4.4.
        let signer = Signer {
            method: SignatureMethod::Plaintext,
            client_id: "client",
            client_secret: &secret("j49sk3j29djd"),
            token: Some((&secret("token"), &secret("dh893hdasih9"))),
        };
        let url = Url::parse("https://example.test/").unwrap();
        let request = UnsignedRequest { method: "POST", url: &url, form: &[], oauth_params: &[] };
        let params = header_params(&signer.authorization_header(request, "n", Timestamp::from_secs(1)));
        assert!(params.contains(&("oauth_signature".to_owned(), "j49sk3j29djd&dh893hdasih9".to_owned())));
    }

    #[test]
    fn hmac_sha256_signs_what_the_header_says() {
        let signer = Signer {
            method: SignatureMethod::HmacSha256,
            client_id: "client",
            client_secret: &secret("secret"),
            token: None,
        };
        let url = Url::parse("https://example.test/request").unwrap();
        let request = UnsignedRequest {
            method: "POST",
            url: &url,
            form: &[],
            oauth_params: &[("oauth_callback", "https://a.test/")],
        };
        let header = signer.authorization_header(request, "n", Timestamp::from_secs(7));
        let mut params = header_params(&header);
        let signature = params.pop().unwrap();
        let params: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let unsigned = UnsignedRequest { oauth_params: &[], ..request };
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, b"secret&"),
            base_string(unsigned, &params).as_bytes(),
        );
        assert_eq!(signature, ("oauth_signature".to_owned(), STANDARD.encode(tag)));
    }

    #[test]
    fn an_answer_without_a_token_or_with_two_is_none() {
        let good = OAuth1Credentials::parse(
            b"oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true&user_id=7\n",
        )
        .unwrap();
        assert_eq!((good.token.expose().as_str(), good.token_secret.expose().as_str()), ("t", "s"));
        assert!(good.callback_confirmed && good.raw.expose().len() == 4);
        for bad in [
            "",
            "oauth_token=t",
            "oauth_token=&oauth_token_secret=s",
            "oauth_token=t&oauth_token=u&oauth_token_secret=s",
        ] {
            assert!(OAuth1Credentials::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_an_answer_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = OAuth1Credentials::parse(&body);
        }
    }
}
