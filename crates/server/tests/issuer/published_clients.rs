//! Programs that others published, unmodified, against the real binary.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    database::Database,
    support::{API_KEY, Server},
    world::Browser,
};

/// A Python program that answers each line with a line of JSON.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(environment: &str, packages: &[&str], script: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuer").join(script);
        let python = xtask::tools::from_pypi(environment, packages).expect("PyPI has them");
        let mut child = Command::new(python)
            .arg(script)
            .args(arguments)
            .env("OAUTHLIB_INSECURE_TRANSPORT", "true")
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python was found");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, input, output }
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input, "{line}").expect("the program reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the program writes text");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("the program ended at {line:?}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connectivly(server: &Server) -> Program {
    let packages = ["connectivly==0.1.0"];
    Program::start("connectivly-0.1.0", &packages, "connectivly_client.py", &[API_KEY, &server.address])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_connectivly_package_approves_denies_and_validates() {
    let server = Database::Sqlite.issuer().start();
    let client = server.client(json!({"profile": "connectivly", "app_name": "Guide"})).await;
    let browser = Browser::new();
    let mut program = connectivly(&server);

    let id = server.login_session(&browser, &client, &[("scope", "openid")]).await;
    let session = program.ask(&format!("read {id}"));
    assert_eq!((&session["id"], &session["scopes"]), (&json!(id), &json!(["openid"])));
    assert_eq!(session["app"]["name"], json!("Guide"));
    let approved = program.ask(&format!("approve {id}"));
    let consent_url = approved["redirect_uri"].as_str().unwrap();
    let csrf_token = browser.get(consent_url).await.field("csrf_token");
    let answer =
        browser.post(consent_url, &[("csrf_token", &csrf_token), ("decision", "allow")]).await.answer();
    let (status, tokens) = server.redeem(&client, &answer["code"]).await;
    assert_eq!(status, 200, "{tokens}");

    let token = tokens["access_token"].as_str().unwrap();
    let local = program.ask(&format!("validate {token}"));
    assert_eq!((&local["sub"], &local["scopes"]), (&json!("test@example.com"), &json!(["openid"])));
    assert_eq!(local["app"]["client_id"], json!(client.id));
    assert!(program.ask(&format!("validate_remotely {token}")).is_object());
    let form = [("token", tokens["refresh_token"].as_str().unwrap())];
    let revoke = server.request(reqwest::Method::POST, "/auth/oauth2/revoke").form(&form);
    let revoke = revoke.basic_auth(&client.id, Some(&client.secret)).send().await.unwrap();
    assert_eq!(revoke.status(), StatusCode::OK);
    assert!(program.ask(&format!("validate_remotely {token}")).is_null());

    let id = server.login_session(&browser, &client, &[]).await;
    let denied = program.ask(&format!("deny {id}"));
    assert!(denied["redirect_uri"].as_str().unwrap().contains("error=access_denied"));
    // The package reads JSON from every answer, refusals too.
    assert!(program.ask("read unknown").is_object());
    assert!(program.ask(&format!("approve {id}")).is_object());
}

/// The guide to its end: register on the page, let the client log in, see the user's name.
#[tokio::test(flavor = "multi_thread")]
async fn the_published_flask_oauthlib_client_completes_its_flow_under_the_legacy_profile() {
    let server = Database::Sqlite.issuer().variable("HANDFAST_ISSUER_LEGACY_CLIENTS", "true").start();
    let browser = Browser::new();
    let registration = format!("{}/oauth/register", server.address);
    let page = server.log_in_to(&browser, &registration, "aweng").await;
    let form = [
        ("csrf_token", page.field("csrf_token")),
        ("applicationName", "client.py".to_owned()),
        ("applicationUrl", "http://localhost:8000".to_owned()),
        ("applicationDescription", String::new()),
        ("applicationCallbackUrl", "http://localhost:8000/authorized".to_owned()),
        ("legacy", "true".to_owned()),
    ];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let page = browser.post(&registration, &form).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let shown = |id: &str| {
        let (_, rest) = page.body.split_once(&format!("id=\"{id}\">")).expect("it is shown");
        rest.split('<').next().unwrap().to_owned()
    };
    let packages = [
        "Flask-OAuthlib==0.9.6",
        "Flask==1.1.4",
        "Werkzeug==0.16.1",
        "Jinja2==2.11.3",
        "MarkupSafe==2.0.1",
        "itsdangerous==1.1.0",
    ];
    let arguments = [shown("client_id"), shown("client_secret"), server.address.clone()];
    let arguments = arguments.each_ref().map(String::as_str);
    let mut client =
        Program::start("flask-oauthlib-0.9.6", &packages, "flask_oauthlib_client.py", &arguments);

    let authorize = client.ask("/");
    let id = browser.get(authorize.as_str().unwrap()).await.answer().remove("token").unwrap();
    let (_, approved) = server.approve(&id, json!({"user": "aweng"})).await;
    let consent_url = approved["redirect_uri"].as_str().unwrap();
    let csrf_token = browser.get(consent_url).await.field("csrf_token");
    let back =
        browser.post(consent_url, &[("csrf_token", &csrf_token), ("decision", "allow")]).await.location();
    let home = client.ask(&format!("{}?{}", back.path(), back.query().unwrap()));
    assert_eq!(home, json!("http://localhost:8000/"));
    let me: Value = serde_json::from_str(client.ask("/").as_str().unwrap()).unwrap();
    assert_eq!(me, json!({"username": "aweng"}));

    // A denial has the field that this client reads.
    let id = browser.get(authorize.as_str().unwrap()).await.answer().remove("token").unwrap();
    let deny = server.api(reqwest::Method::POST, &format!("/api/auth_session/{id}/deny"));
    let (_, denied) = crate::support::answer(deny).await;
    let back = url::Url::parse(denied["redirect_uri"].as_str().unwrap()).unwrap();
    let told = client.ask(&format!("{}?{}", back.path(), back.query().unwrap()));
    assert!(told.as_str().unwrap().starts_with("Access denied: reason=access_denied"), "{told}");
}
