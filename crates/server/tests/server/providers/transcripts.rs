//! Well-known providers: what the broker asks of them, written from their documentation.
//!
//! In the texts `<A>` stands for client id and PKCE challenge, `<R>` for the escaped redirect URI and the response type,
//! `<C>` for what redeems the code, `<F>` for the headers of a form, `<S>` for client id and secret in the body.

use handfast_broker::Catalog;

use super::harness::Harness;

struct Transcript {
    name: &'static str,
    /// Where its documentation stands.
    _documentation: &'static str,
    authorization: &'static str,
    token: &'static str,
    /// `None` where the documentation knows no refresh tokens.
    refresh: Option<&'static str>,
}

const SCOPE: &str = "&scope=read%3Aa+write%2Fb%2Bc";

const TRANSCRIPTS: &[Transcript] = &[
    Transcript {
        name: "github",
        _documentation: "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
        authorization: "https://github.com/login/oauth/authorize?<A>&<R>",
        token: "POST https://github.com/login/oauth/access_token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://github.com/login/oauth/access_token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "gitlab",
        _documentation: "https://docs.gitlab.com/api/oauth2/#authorization-code-flow",
        authorization: "https://gitlab.com/oauth/authorize?<A>&<R>",
        token: "POST https://gitlab.com/oauth/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://gitlab.com/oauth/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "google",
        _documentation: "https://developers.google.com/identity/protocols/oauth2/web-server",
        authorization: "https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&<A>&prompt=consent&<R>",
        token: "POST https://oauth2.googleapis.com/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://oauth2.googleapis.com/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "microsoft",
        _documentation: "https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow",
        authorization: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?<A>&<R>",
        token: "POST https://login.microsoftonline.com/common/oauth2/v2.0/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://login.microsoftonline.com/common/oauth2/v2.0/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "slack",
        _documentation: "https://docs.slack.dev/authentication/installing-with-oauth",
        authorization: "https://slack.com/oauth/v2/authorize?<A>&<R>,",
        token: "POST https://slack.com/api/oauth.v2.access\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://slack.com/api/oauth.v2.access\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "slack-user",
        _documentation: "https://docs.slack.dev/authentication/installing-with-oauth",
        authorization: "https://slack.com/oauth/v2/authorize?<A>&<R>,user_scope",
        token: "POST https://slack.com/api/oauth.v2.access\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://slack.com/api/oauth.v2.access\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "notion",
        _documentation: "https://developers.notion.com/reference/create-a-token",
        authorization: "https://api.notion.com/v1/oauth/authorize?<A>&owner=user&<R>",
        token: "\
POST https://api.notion.com/v1/oauth/token
accept: application/json
authorization: <B>
content-type: application/json
notion-version: 2025-09-03

{\"code\":\"code-1 /+\",\"code_verifier\":\"VERIFIER\",\"grant_type\":\"authorization_code\",\"redirect_uri\":\"https://handfast.test/oauth/callback\"}
",
        refresh: Some("\
POST https://api.notion.com/v1/oauth/token
accept: application/json
authorization: <B>
content-type: application/json
notion-version: 2025-09-03

{\"grant_type\":\"refresh_token\",\"refresh_token\":\"refresh-1\"}
"),
    },
    Transcript {
        name: "dropbox",
        _documentation: "https://www.dropbox.com/developers/documentation/http/documentation#oauth2-authorize",
        authorization: "https://www.dropbox.com/oauth2/authorize?<A>&<R>&token_access_type=offline",
        token: "POST https://api.dropboxapi.com/oauth2/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://api.dropboxapi.com/oauth2/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "spotify",
        _documentation: "https://developer.spotify.com/documentation/web-api/tutorials/code-flow",
        authorization: "https://accounts.spotify.com/authorize?<A>&<R>",
        token: "POST https://accounts.spotify.com/api/token\n<FB>\n<C>\n",
        refresh: Some("POST https://accounts.spotify.com/api/token\n<FB>\ngrant_type=refresh_token&refresh_token=refresh-1\n"),
    },
    Transcript {
        name: "discord",
        _documentation: "https://discord.com/developers/docs/topics/oauth2",
        authorization: "https://discord.com/oauth2/authorize?<A>&<R>",
        token: "POST https://discord.com/api/oauth2/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://discord.com/api/oauth2/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "atlassian",
        _documentation: "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/",
        authorization: "https://auth.atlassian.com/authorize?audience=api.atlassian.com&<A>&prompt=consent&<R>",
        token: "POST https://auth.atlassian.com/oauth/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://auth.atlassian.com/oauth/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "salesforce",
        _documentation: "https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_web_server_flow.htm",
        authorization: "https://login.salesforce.com/services/oauth2/authorize?<A>&<R>",
        token: "POST https://login.salesforce.com/services/oauth2/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://login.salesforce.com/services/oauth2/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "linkedin",
        _documentation: "https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow",
        authorization: "https://www.linkedin.com/oauth/v2/authorization?<A>&<R>",
        token: "POST https://www.linkedin.com/oauth/v2/accessToken\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://www.linkedin.com/oauth/v2/accessToken\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "x",
        _documentation: "https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code",
        authorization: "https://x.com/i/oauth2/authorize?<A>&<R>",
        token: "POST https://api.x.com/2/oauth2/token\n<FB>\n<C>\n",
        refresh: Some("POST https://api.x.com/2/oauth2/token\n<FB>\ngrant_type=refresh_token&refresh_token=refresh-1\n"),
    },
    Transcript {
        name: "reddit",
        _documentation: "https://github.com/reddit-archive/reddit/wiki/OAuth2",
        authorization: "https://www.reddit.com/api/v1/authorize?<A>&duration=permanent&<R>",
        token: "POST https://www.reddit.com/api/v1/access_token\n<FB>\n<C>\n",
        refresh: Some("POST https://www.reddit.com/api/v1/access_token\n<FB>\ngrant_type=refresh_token&refresh_token=refresh-1\n"),
    },
    Transcript {
        name: "zoom",
        _documentation: "https://developers.zoom.us/docs/integrations/oauth/",
        authorization: "https://zoom.us/oauth/authorize?<A>&<R>",
        token: "POST https://zoom.us/oauth/token\n<FB>\n<C>\n",
        refresh: Some("POST https://zoom.us/oauth/token\n<FB>\ngrant_type=refresh_token&refresh_token=refresh-1\n"),
    },
    Transcript {
        // No grant_type and no redirect_uri when the code is redeemed; scopes are joined by commas.
        name: "shopify",
        _documentation: "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant",
        authorization: "https://my-store.myshopify.com/admin/oauth/authorize?<A>&<R>,",
        token: "POST https://my-store.myshopify.com/admin/oauth/access_token\n<F>\ncode=code-1+%2F%2B&code_verifier=VERIFIER&<S>\n",
        refresh: Some("POST https://my-store.myshopify.com/admin/oauth/access_token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "quickbooks",
        _documentation: "https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0",
        authorization: "https://appcenter.intuit.com/connect/oauth2?<A>&<R>",
        token: "POST https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer\n<FB>\n<C>\n",
        refresh: Some("POST https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer\n<FB>\ngrant_type=refresh_token&refresh_token=refresh-1\n"),
    },
    Transcript {
        name: "airtable",
        _documentation: "https://airtable.com/developers/web/api/oauth-reference",
        authorization: "https://airtable.com/oauth2/v1/authorize?<A>&<R>",
        token: "POST https://airtable.com/oauth2/v1/token\n<FB>\n<C>\n",
        refresh: Some("POST https://airtable.com/oauth2/v1/token\n<FB>\ngrant_type=refresh_token&refresh_token=refresh-1\n"),
    },
    Transcript {
        // The client id is called client_key; scopes are joined by commas.
        name: "tiktok",
        _documentation: "https://developers.tiktok.com/doc/oauth-user-access-token-management",
        authorization: "https://www.tiktok.com/v2/auth/authorize/?client_key=client-1&<P>&<R>,",
        token: "POST https://open.tiktokapis.com/v2/oauth/token/\n<F>\n<C>&client_key=client-1&client_secret=<E>\n",
        refresh: Some("POST https://open.tiktokapis.com/v2/oauth/token/\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&client_key=client-1&client_secret=<E>\n"),
    },
    Transcript {
        name: "twitch",
        _documentation: "https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/#authorization-code-grant-flow",
        authorization: "https://id.twitch.tv/oauth2/authorize?<A>&<R>",
        token: "POST https://id.twitch.tv/oauth2/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://id.twitch.tv/oauth2/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
    Transcript {
        name: "hubspot",
        _documentation: "https://developers.hubspot.com/docs/api/working-with-oauth",
        authorization: "https://app.hubspot.com/oauth/authorize?<A>&<R>",
        token: "POST https://api.hubapi.com/oauth/v1/token\n<F>\n<C>&<S>\n",
        refresh: Some("POST https://api.hubapi.com/oauth/v1/token\n<F>\ngrant_type=refresh_token&refresh_token=refresh-1&<S>\n"),
    },
];

fn whole(text: &str) -> String {
    text.replace("<A>", "client_id=client-1&<P>")
        .replace("<P>", "code_challenge=CHALLENGE&code_challenge_method=S256")
        .replace("<C>", "grant_type=authorization_code&code=code-1+%2F%2B&<U>&code_verifier=VERIFIER")
        .replace("<R>", "<U>&response_type=code&state=STATE")
        .replace("<U>", "redirect_uri=https%3A%2F%2Fhandfast.test%2Foauth%2Fcallback")
        .replace(
            "<FB>",
            "accept: application/json\nauthorization: <B>\ncontent-type: application/x-www-form-urlencoded\n",
        )
        .replace("<F>", "accept: application/json\ncontent-type: application/x-www-form-urlencoded\n")
        .replace("<B>", "Basic Y2xpZW50LTE6czNjcmV0KyUyQiUyRiUyNiUzRCUyNQ==")
        .replace("<S>", "client_id=client-1&client_secret=<E>")
        .replace("<E>", "s3cret+%2B%2F%26%3D%25")
}

#[tokio::test]
async fn well_known_providers_are_asked_as_their_documentation_says() {
    assert!(TRANSCRIPTS.len() >= 20);
    let catalog = Catalog::embedded();
    let providers = TRANSCRIPTS.iter().map(|transcript| catalog.find(transcript.name).unwrap().clone());
    let harness = Harness::start(providers).await;
    for transcript in TRANSCRIPTS {
        let name = transcript.name;
        let dance = harness.dance(name).await;
        let asked = dance.authorization.params();
        let verifier = dance.token.params()["code_verifier"].clone();
        let words = [
            ("STATE", asked["state"].clone()),
            ("CHALLENGE", asked["code_challenge"].clone()),
            ("VERIFIER", verifier),
        ];
        let written = |request| harness.written(request, &words);
        // A comma at the end: scopes are joined by it; a word after it: under that name.
        let (authorization, scopes) = transcript.authorization.split_once(',').map_or(
            (transcript.authorization, SCOPE.to_owned()),
            |(authorization, param)| {
                let param = if param.is_empty() { "scope" } else { param };
                (authorization, format!("&{param}=read%3Aa%2Cwrite%2Fb%2Bc"))
            },
        );
        assert_eq!(
            written(&dance.authorization),
            format!("GET {}{scopes}\n", whole(authorization)),
            "{name}"
        );
        assert_eq!(written(&dance.token), whole(transcript.token), "{name}");
        let refresh = dance.refresh.as_ref().map(written);
        assert_eq!(refresh, transcript.refresh.map(whole), "{name}");
    }
}
