//! `docs/providers.md` says what the catalogue says. `HANDFAST_BLESS=1` writes it anew.

use std::{fmt::Write, fs, path::Path};

use handfast_broker::{Catalog, Evidence, Protocol, Provider, VariableKind};

const HEAD: &str = "\
# Providers

Generated from `crates/broker/providers.toml` by `cargo xtask providers`; do not edit.

Each of these works by its name: `handfast config create my-key NAME CLIENT_ID CLIENT_SECRET \"scope,scope\"`. At the
provider, register the callback address `https://YOUR-SERVER/oauth/callback`, or, for an integration made with
`--redirect-uri own`, `https://YOUR-SERVER/oauth/callback/CONFIG_KEY`. Where your users name the server they log in at, the
latter is the rule. A running server shows the same list, searchable and with its own addresses, at `/providers`.

- **Scopes** are joined for you; the column shows by what where it is not a space.
- **Variables** are given with `connect(configKey, connectionId, { params: { shop: 'my-store' } })`. The popup asks for
  what is missing.
- **Evidence**: `docs` where a person read the provider's own pages, else how many independent sources agree on the
  addresses. One is little: try such an entry before you rely on it.

Any OpenID Connect or OAuth server that publishes its metadata needs no entry: use its issuer's address in place of a
name. What was left out, and why, is in [providers-left-out.md](providers-left-out.md).
";

#[test]
fn the_page_of_providers_says_what_the_catalogue_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let page = page(Catalog::embedded());
    if std::env::var_os("HANDFAST_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/providers.md is not up to date; run `cargo xtask providers`");
}

type Belongs = fn(&Provider) -> bool;

fn page(catalog: &Catalog) -> String {
    let mut page = String::from(HEAD);
    let groups: [(&str, Belongs); 3] = [
        ("OAuth 2 and OpenID Connect", |provider| provider.protocol == Protocol::Oauth2),
        ("OAuth 1.0a", |provider| provider.protocol == Protocol::Oauth1),
        ("API keys and passwords", |provider| {
            matches!(provider.protocol, Protocol::ApiKey | Protocol::Basic)
        }),
    ];
    for (title, belongs) in groups {
        let providers: Vec<&Provider> = catalog.iter().filter(|provider| belongs(provider)).collect();
        writeln!(page, "\n## {title} ({})\n", providers.len()).unwrap();
        page.push_str(
            "| name | provider | scopes | variables | evidence |\n| --- | --- | --- | --- | --- |\n",
        );
        for provider in providers {
            row(&mut page, provider);
        }
    }
    page
}

fn row(page: &mut String, provider: &Provider) {
    let title = cell(&provider.display_name);
    let title = match &provider.docs {
        Some(docs) => format!("[{title}]({docs})"),
        None => title,
    };
    let scopes = provider.scope_separator.as_deref().map(|separator| format!("`{}`", cell(separator)));
    let variables: Vec<String> = provider
        .variables
        .iter()
        .map(|(name, variable)| {
            let kind = match variable.kind {
                VariableKind::DnsLabel => "name",
                VariableKind::Host => "host",
                VariableKind::Region => "region",
                VariableKind::PathSegment => "text",
            };
            let default = variable.default.as_deref().map(|default| format!(", else `{default}`"));
            format!("`{name}` ({kind}, such as `{}`{})", variable.example, default.unwrap_or_default())
        })
        .collect();
    let evidence = match provider.evidence {
        Some(Evidence::Sources(count)) => count.to_string(),
        Some(Evidence::Documentation(_)) => "docs".to_owned(),
        None => String::new(),
    };
    let aliases = provider.aliases.iter().fold(String::new(), |all, alias| all + ", `" + alias + "`");
    let note = provider.note.as_deref().map(|note| format!(": {}", cell(note))).unwrap_or_default();
    let scopes = scopes.unwrap_or_default();
    writeln!(
        page,
        "| `{}`{aliases} | {title}{note} | {scopes} | {} | {evidence} |",
        provider.name,
        variables.join(", ")
    )
    .unwrap();
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
