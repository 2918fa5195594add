//! The form in the window, for what the application did not say: a shop's domain, a region, an API key.

use std::collections::BTreeMap;

use handfast_protocol::{Clock, ErrorCode, Randomness, Scopes, Secret, Sha256Hash, random_token};

use crate::attempt::{Attempt, COMPLETION_LIMIT, Outcome, Progress};
use crate::begin::{Asked, Begun, NextStep, PendingDetails, Start};
use crate::complete::{CompleteError, Ended};
use crate::connection::{ConnectionKey, Credentials, TypedKind};
use crate::{
    BeginError, Broker, Integration, Protocol, Provider, Store, StoreError, TokenEndpoint, VariableKind,
    VariableValues, cookie,
};

/// A form for the values that are missing.
#[derive(Clone, Debug)]
pub struct Form {
    /// Names the attempt; travels in a hidden field.
    pub state: Secret<String>,
    /// What people call the provider.
    pub provider: String,
    /// Why what was typed will not do as a whole.
    pub error: Option<String>,
    /// What is asked.
    pub fields: Vec<FormField>,
}

/// One question.
#[derive(Clone, Debug)]
pub struct FormField {
    /// Its name in the form: `variable.shop`, `credential.api_key`.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// A good value.
    pub example: Option<String>,
    /// Where the user finds it.
    pub help: Option<String>,
    /// Whether it is typed unseen, and never shown again.
    pub is_secret: bool,
    /// The values there are to choose from; empty where any text may be typed.
    pub choices: Vec<String>,
    /// What follows the value in the address, such as `.example.com`.
    pub suffix: Option<String>,
    /// What was typed.
    pub value: String,
    /// Why what was typed will not do.
    pub error: Option<String>,
}

/// A form as it came back: nothing in it has been checked.
#[derive(Debug)]
pub struct FilledForm<'a> {
    /// The hidden field.
    pub state: &'a Secret<String>,
    /// The attempt cookies that came along: name and value.
    pub cookies: &'a [(&'a str, &'a str)],
    /// What was typed, by name.
    pub typed: BTreeMap<String, String>,
}

/// What became of a form.
#[derive(Debug)]
pub enum Filled {
    /// The attempt goes on.
    Begun(Begun),
    /// Something typed will not do: the form is shown again.
    Again(Form),
    /// The attempt is over.
    Ended(Box<Ended>),
    /// Nothing is known of an attempt in this browser.
    NoAttempt(CompleteError),
}

/// What a form brought.
struct Typed {
    variables: BTreeMap<String, String>,
    credentials: BTreeMap<String, Secret<String>>,
}

impl Form {
    /// The form for the variables that are needed and that nobody gave, and for the credentials that the user types; `None`
    /// if there is nothing to ask.
    pub(crate) fn of_missing(provider: &Provider, values: &VariableValues) -> Option<Self> {
        let variables = provider.missing_variables(values).map(|(name, variable)| FormField {
            name: format!("variable.{name}"),
            label: variable.label.clone().unwrap_or_else(|| name.replace('_', " ")),
            example: Some(variable.example.clone()),
            help: None,
            is_secret: false,
            choices: if variable.kind == VariableKind::Region {
                variable.allowed.clone()
            } else {
                Vec::new()
            },
            suffix: variable.suffix.clone(),
            value: String::new(),
            error: None,
        });
        let credentials = provider.credentials.iter().map(|(name, field)| FormField {
            name: format!("credential.{name}"),
            label: field.label.clone(),
            example: field.example.clone(),
            help: field.help.clone(),
            is_secret: !field.public,
            choices: Vec::new(),
            suffix: None,
            value: String::new(),
            error: None,
        });
        let fields: Vec<FormField> = variables.chain(credentials).collect();
        let form =
            Self { state: Secret::default(), provider: provider.display_name.clone(), error: None, fields };
        (!form.fields.is_empty()).then_some(form)
    }

    /// Takes over what was typed; the values, or the form with what is wrong about them.
    fn fill(&mut self, provider: &Provider, typed: &BTreeMap<String, String>) -> Option<Typed> {
        let mut read = Typed { variables: BTreeMap::new(), credentials: BTreeMap::new() };
        for field in &mut self.fields {
            let value = typed.get(&field.name).map(String::as_str).unwrap_or_default();
            if !field.is_secret {
                value.clone_into(&mut field.value);
            }
            let Some((kind, name)) = field.name.split_once('.') else { continue };
            if value.trim().is_empty() {
                field.error = Some("Please fill this in.".to_owned());
            } else if let Some(variable) = provider.variables.get(name).filter(|_| kind == "variable") {
                match variable.parse(name, value) {
                    Ok(value) => drop(read.variables.insert(name.to_owned(), value)),
                    Err(error) => field.error = Some(format!("This will not do: {error}.")),
                }
            } else if let Some(credential) = provider.credentials.get(name) {
                match credential.parse(value) {
                    Ok(value) => drop(read.credentials.insert(name.to_owned(), value)),
                    Err(problem) => field.error = Some(problem),
                }
            }
        }
        self.fields.iter().all(|field| field.error.is_none()).then_some(read)
    }
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Remembers the attempt while its form is open.
    pub(crate) async fn begin_form(
        &self,
        integration: &Integration,
        start: Start,
        form: Form,
    ) -> Result<Begun, BeginError> {
        let state = random_token(&self.randomness);
        let details = PendingDetails {
            redirect_uri: String::new(),
            code_verifier: None,
            requested_scopes: Scopes::default(),
            values: VariableValues::default(),
            nonce: None,
            temporary: None,
            form: Some(start.asked.clone()),
        };
        let cookie = self.put_pending(integration, start, &Sha256Hash::of(state.expose()), &details).await?;
        Ok(Begun { cookie, next: NextStep::Form(Form { state, ..form }) })
    }

    /// Goes on with an attempt whose form has been filled in, in the browser that it was shown to.
    pub async fn fill_in(&self, filled: FilledForm<'_>) -> Result<Filled, StoreError> {
        let state_hash = Sha256Hash::of(filled.state.expose());
        let name = cookie::cookie_name(&self.policy, &state_hash);
        let shown =
            filled.cookies.iter().find(|(own, _)| *own == name).map(|(_, value)| Sha256Hash::of(value));
        let attempt = self.store.attempt_by_state(&state_hash).await?;
        let Some(attempt) = attempt.filter(|attempt| shown.is_some() && attempt.cookie_hash == shown) else {
            return Ok(Filled::NoAttempt(CompleteError::InvalidState));
        };
        if let Progress::Ended(outcome) = attempt.progress(self.clock.now()) {
            return Ok(Filled::Ended(Box::new(self.ended(attempt, outcome, None, None))));
        }
        match self.go_on(&attempt, &state_hash, filled).await {
            Ok(next) => Ok(next),
            Err(BeginError::Store(error)) => Err(error),
            Err(error) => {
                let outcome = Outcome::failed(error.code(), error.to_string());
                self.store.cancel_attempt(&attempt.secret_hash, &outcome).await?;
                self.waiters.wake(&attempt.secret_hash);
                Ok(Filled::Ended(Box::new(self.ended(attempt, outcome, None, None))))
            }
        }
    }

    async fn go_on(
        &self,
        attempt: &Attempt,
        state_hash: &Sha256Hash,
        filled: FilledForm<'_>,
    ) -> Result<Filled, BeginError> {
        let unreadable = || BeginError::InvalidRequest("its form is not open".to_owned());
        let details = self.open_details(attempt, state_hash).map_err(|_| unreadable())?;
        let mut asked: Asked = details.form.ok_or_else(unreadable)?;
        let (Some(config_key), Some(connection_id)) = (&attempt.config_key, &attempt.connection_id) else {
            return Err(unreadable());
        };
        let integration = self.find_integration(config_key).await?;
        // Deleted and made again under the same name, it is another integration.
        if attempt.integration_id.as_ref() != Some(&integration.id) {
            return Err(BeginError::UnknownIntegration(config_key.to_string()));
        }
        let provider = &integration.provider;
        let values = provider.variable_values(&asked.params)?;
        if let Some(form) = Form::of_missing(provider, &values) {
            let mut form = Form { state: filled.state.clone(), ..form };
            let Some(typed) = form.fill(provider, &filled.typed) else { return Ok(Filled::Again(form)) };
            asked.params.extend(typed.variables);
            if let Some(kind) = typed_kind(provider) {
                let values = provider.variable_values(&asked.params)?;
                form.error = self.verify_typed(provider, &values, &typed.credentials).await?;
                if form.error.is_some() {
                    return Ok(Filled::Again(form));
                }
                let credentials = Credentials::Typed { kind, fields: typed.credentials };
                return self.store_typed(attempt, state_hash, &integration, credentials, asked.params).await;
            }
        }
        let start = Start {
            attempt_id: attempt.attempt_id.clone(),
            secret_hash: attempt.secret_hash.clone(),
            connection_id: connection_id.clone(),
            origin: attempt.origin.clone(),
            return_to: attempt.return_to.clone(),
            asked,
        };
        self.begin_attempt(&integration, start).await.map(Filled::Begun)
    }

    /// Tries typed credentials by the provider's harmless call, where its entry knows one; the sentence says why not.
    async fn verify_typed(
        &self,
        provider: &Provider,
        values: &VariableValues,
        typed: &BTreeMap<String, Secret<String>>,
    ) -> Result<Option<String>, BeginError> {
        let Some(verification) = &provider.verification else { return Ok(None) };
        let request = verification.request(provider, values, typed)?;
        Ok(match self.token_endpoint.send(request).await {
            Ok(answer) if (200..300).contains(&answer.status) => None,
            Ok(answer) if matches!(answer.status, 400..=404) => {
                Some(format!("{} does not accept this. Please look again.", provider.display_name))
            }
            Ok(answer) => {
                Some(format!("{} answered HTTP {}. Please try again.", provider.display_name, answer.status))
            }
            Err(error) => Some(format!("This could not be checked: {error}. Please try again.")),
        })
    }

    async fn store_typed(
        &self,
        attempt: &Attempt,
        state_hash: &Sha256Hash,
        integration: &Integration,
        credentials: Credentials,
        params: BTreeMap<String, String>,
    ) -> Result<Filled, BeginError> {
        let now = self.clock.now();
        let Some(attempt) = self.store.take_attempt(state_hash, now).await? else {
            // Cancelled, or submitted twice: what is recorded counts.
            let outcome = match attempt.progress(now) {
                Progress::Ended(outcome) => outcome,
                Progress::Pending | Progress::Taken(_) => Outcome::failed(
                    ErrorCode::Aborted,
                    "This attempt has ended. Please look in the application.",
                ),
            };
            return Ok(Filled::Ended(Box::new(self.ended(attempt.clone(), outcome, None, None))));
        };
        let connection = attempt.connection_id.clone().map(|connection_id| {
            let key = ConnectionKey { integration_id: integration.id.clone(), connection_id };
            self.connection_of(key, integration, &credentials, &Scopes::default(), params)
        });
        let outcome = Outcome::Succeeded;
        self.store
            .end_attempt(&attempt.secret_hash, now - COMPLETION_LIMIT, &outcome, connection.as_ref())
            .await?;
        self.waiters.wake(&attempt.secret_hash);
        let provider = Some(integration.provider.display_name.clone());
        Ok(Filled::Ended(Box::new(self.ended(attempt, outcome, provider, None))))
    }
}

fn typed_kind(provider: &Provider) -> Option<TypedKind> {
    match provider.protocol {
        Protocol::ApiKey => Some(TypedKind::ApiKey),
        Protocol::Basic => Some(TypedKind::Basic),
        Protocol::Oauth1 | Protocol::Oauth2 => None,
    }
}
