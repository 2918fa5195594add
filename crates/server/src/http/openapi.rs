//! `/openapi.json`: what every REST route takes and answers, generated from the types that read and write it.

use axum::{Json, extract::State};
use handfast_broker::ApiKeyScope;
use schemars::{
    JsonSchema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

use super::{
    api_keys::{ApiKeysBody, CreatedApiKeyBody, NewApiKeyBody},
    attempts::AttemptsBody,
    connect_tokens::{ConnectTokenBody, NewConnectTokenBody},
    connection_list::{ConnectionEditBody, ConnectionsBody},
    connections::{ConnectionBody, DeletedBody, NewConnectionBody, OpenConnectionBody},
    error::Problem,
    events::EventsBody,
    integrations::{IntegrationBody, IntegrationEditBody, IntegrationsBody, NewIntegrationBody},
    sealing_keys::RotatedBody,
    transfer::{ImportBody, Line},
};
use crate::app::App;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// `GET /openapi.json`.
pub(crate) async fn show(State(app): State<App>) -> Json<Value> {
    let mut document = document();
    document["servers"] = json!([{"url": app.policy().address("")}]);
    Json(document)
}

/// A schema, or the absence of a body.
type Body = Option<(&'static str, Value)>;

/// One request that the server takes.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    scopes: &'static [ApiKeyScope],
    query: &'static [Parameter],
    request: Body,
    status: &'static str,
    answer: Body,
}

/// A parameter of a query: its name, what it is, whether it has to be there.
type Parameter = (&'static str, &'static str, bool);

const CONFIG_KEY: Parameter = ("config_key", "The integration.", true);
const CURSOR: Parameter = ("cursor", "The next_cursor of the page before.", false);
const LIMIT: Parameter = ("limit", "How many connections the page may hold, 200 at most.", false);
const LIST: &[Parameter] = &[
    ("config_key", "Connections of this integration.", false),
    ("connection_id", "Connections of this id.", false),
    ("status", "Connections in this state: active or needs_reconnect.", false),
    CURSOR,
    LIMIT,
];

/// The document, in version 3.1.
fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in operations(&mut schemas) {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = describe(&operation);
    }
    let problem = schemas.answer::<Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Handfast",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Integrations, connections with fresh access tokens, and what belongs to them. Errors are \
                            problem documents (RFC 9457) whose `code` is stable.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.definitions(),
            "responses": {"Problem": {
                "description": "What went wrong, and which field is to blame.",
                "content": {"application/problem+json": {"schema": problem}},
            }},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "basic": {"type": "http", "scheme": "basic", "description": "An API key as user name, no password."},
            },
        },
    })
}

#[expect(clippy::too_many_lines, reason = "one table reads better than its parts")]
fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    use ApiKeyScope::{
        Connect, ConnectionsRead, ConnectionsWrite, IntegrationsRead, IntegrationsWrite, KeysWrite,
        SecretsRead, WebhooksWrite,
    };
    let get = |path, summary, scopes, query, answer| Operation {
        method: "get",
        path,
        summary,
        scopes,
        query,
        request: None,
        status: "200",
        answer,
    };
    let write = |method, path, summary, scopes, request, (status, answer)| Operation {
        method,
        path,
        summary,
        scopes,
        query: &[],
        request,
        status,
        answer,
    };
    let one_connection: &[Parameter] = &[CONFIG_KEY];
    vec![
        get(
            "/integrations",
            "List integrations.",
            &[IntegrationsRead],
            &[],
            Some((JSON, schemas.answer::<IntegrationsBody>())),
        ),
        write(
            "post",
            "/integrations",
            "Create an integration. The provider is not contacted.",
            &[IntegrationsWrite],
            Some((JSON, schemas.request::<NewIntegrationBody>())),
            ("201", Some((JSON, schemas.answer::<IntegrationBody>()))),
        ),
        get(
            "/integrations/{config_key}",
            "Read an integration. The client secret is masked unless the key has secrets:read.",
            &[IntegrationsRead],
            &[],
            Some((JSON, schemas.answer::<IntegrationBody>())),
        ),
        write(
            "patch",
            "/integrations/{config_key}",
            "Edit an integration; a field that is left out stays.",
            &[IntegrationsWrite],
            Some((JSON, schemas.request::<IntegrationEditBody>())),
            ("200", Some((JSON, schemas.answer::<IntegrationBody>()))),
        ),
        write(
            "delete",
            "/integrations/{config_key}",
            "Delete an integration that has no connections.",
            &[IntegrationsWrite],
            None,
            ("204", None),
        ),
        get(
            "/connections",
            "List connections, oldest first, without credentials.",
            &[ConnectionsRead],
            LIST,
            Some((JSON, schemas.answer::<ConnectionsBody>())),
        ),
        write(
            "post",
            "/connections",
            "Connect the client itself, without a user (RFC 6749 4.4).",
            &[ConnectionsWrite],
            Some((JSON, schemas.request::<NewConnectionBody>())),
            ("201", Some((JSON, schemas.answer::<OpenConnectionBody>()))),
        ),
        get(
            "/connections/{connection_id}",
            "Read a connection with an access token that is good for a while.",
            &[ConnectionsRead],
            &[CONFIG_KEY, ("force_refresh", "true renews the access token even if it is fresh.", false)],
            Some((JSON, schemas.answer::<OpenConnectionBody>())),
        ),
        Operation {
            query: one_connection,
            ..write(
                "patch",
                "/connections/{connection_id}",
                "Merge metadata into what is kept with a connection (RFC 7396).",
                &[ConnectionsWrite],
                Some((JSON, schemas.request::<ConnectionEditBody>())),
                ("200", Some((JSON, schemas.answer::<ConnectionBody>()))),
            )
        },
        Operation {
            query: one_connection,
            ..write(
                "delete",
                "/connections/{connection_id}",
                "Delete a connection, and revoke it at the provider where it knows how.",
                &[ConnectionsWrite],
                None,
                ("200", Some((JSON, schemas.answer::<DeletedBody>()))),
            )
        },
        Operation {
            query: &[("existing", "keep (unless said otherwise) or replace what is there already.", false)],
            ..write(
                "post",
                "/import/connections",
                "Import connections, one a line. An import that was interrupted can be run again.",
                &[ConnectionsWrite],
                Some((NDJSON, schemas.request::<Line>())),
                ("200", Some((JSON, schemas.answer::<ImportBody>()))),
            )
        },
        get(
            "/export/connections",
            "Export connections with their tokens, one a line; the header Link leads to the next page.",
            &[ConnectionsRead, SecretsRead],
            LIST,
            Some((NDJSON, schemas.request::<Line>())),
        ),
        write(
            "post",
            "/connect/tokens",
            "Make a connect token: it lets a page begin one attempt within ten minutes, for what the token says and no more.",
            &[Connect],
            Some((JSON, schemas.request::<NewConnectTokenBody>())),
            ("201", Some((JSON, schemas.answer::<ConnectTokenBody>()))),
        ),
        get(
            "/api_keys",
            "List API keys, also those that no longer work.",
            &[KeysWrite],
            &[],
            Some((JSON, schemas.answer::<ApiKeysBody>())),
        ),
        write(
            "post",
            "/api_keys",
            "Make an API key; it is shown this once.",
            &[KeysWrite],
            Some((JSON, schemas.request::<NewApiKeyBody>())),
            ("201", Some((JSON, schemas.answer::<CreatedApiKeyBody>()))),
        ),
        write("delete", "/api_keys/{id}", "Revoke an API key.", &[KeysWrite], None, ("204", None)),
        write(
            "post",
            "/sealing_keys/rotate",
            "Seal everything that is stored with a new key; goes on with a run that was cut short or is not finished.",
            &[KeysWrite],
            Some((JSON, json!({"type": "object"}))),
            ("200", Some((JSON, schemas.answer::<RotatedBody>()))),
        ),
        get(
            "/attempts",
            "List the attempts of the last minutes, newest first, and how each ended.",
            &[ConnectionsRead],
            &[
                ("config_key", "Attempts with this integration.", false),
                ("connection_id", "Attempts for this connection.", false),
                ("before", "The id of the last attempt of the page before.", false),
            ],
            Some((JSON, schemas.answer::<AttemptsBody>())),
        ),
        get(
            "/events",
            "List events, newest first.",
            &[WebhooksWrite],
            &[("before", "The id of the last event of the page before.", false)],
            Some((JSON, schemas.answer::<EventsBody>())),
        ),
        write(
            "post",
            "/events/{id}/replay",
            "Deliver an event once more.",
            &[WebhooksWrite],
            Some((JSON, json!({"type": "object"}))),
            ("202", None),
        ),
    ]
}

fn describe(operation: &Operation) -> Value {
    let text = json!({"type": "string"});
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": text})).collect();
    parameters.extend(operation.query.iter().map(|(name, description, required)| {
        json!({"name": name, "in": "query", "description": description, "required": required, "schema": text})
    }));
    let scopes: Vec<&str> = operation.scopes.iter().map(|scope| scope.as_str()).collect();
    let mut answer = json!({"description": "Done."});
    if let Some((kind, schema)) = &operation.answer {
        answer["content"] = json!({*kind: {"schema": schema}});
    }
    let mut described = json!({
        "summary": operation.summary,
        "description": format!("Scope of the API key: {}.", scopes.join(", ")),
        "parameters": parameters,
        "security": [{"bearer": scopes}, {"basic": scopes}],
        "responses": {operation.status: answer, "default": {"$ref": "#/components/responses/Problem"}},
    });
    if let Some((kind, schema)) = &operation.request {
        described["requestBody"] = json!({"required": true, "content": {*kind: {"schema": schema}}});
    }
    described
}

/// The schemas of everything that is taken and answered.
struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let generator = |contract: Contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.contract = contract;
            settings.definitions_path = "/components/schemas".into();
            SchemaGenerator::new(settings)
        };
        Self { requests: generator(Contract::Deserialize), answers: generator(Contract::Serialize) }
    }

    fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    fn definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.requests.take_definitions(true);
        definitions.extend(self.answers.take_definitions(true));
        definitions
    }
}
