//! Install links: they arrive from the provider's side, signed, and lead to the application's own page. They start nothing.

use std::borrow::Cow;

use handfast_protocol::{Clock, ConfigKey, ErrorCode};
use url::Url;

use crate::{Broker, CallbackSignatureError, FindIntegrationError, Store, StoreError, VariableError};

/// Why an install link leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No such integration.
    #[error("There is no integration called \"{0}\" on this server.")]
    UnknownIntegration(String),
    /// Its provider signs nothing, or it has no page to lead to.
    #[error("The integration \"{0}\" takes no install links: {1}.")]
    NotInstallable(ConfigKey, &'static str),
    /// The link was not made by the provider.
    #[error("The link is not believed: {0}.")]
    InvalidSignature(#[from] CallbackSignatureError),
    /// It does not say for whom.
    #[error("The link cannot be used: {0}.")]
    Variable(#[from] VariableError),
    /// The integration, or its provider's entry, is at fault.
    #[error("The integration cannot be used. The server's log says more.")]
    InvalidIntegration(#[source] Box<FindIntegrationError>),
    /// The store failed.
    #[error("The server cannot reach its database. Please try again.")]
    Store(#[from] StoreError),
}

impl InstallError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownIntegration(_) => ErrorCode::UnknownIntegration,
            Self::NotInstallable(..) | Self::InvalidIntegration(_) => ErrorCode::InvalidIntegration,
            Self::InvalidSignature(_) => ErrorCode::InvalidSignature,
            Self::Variable(_) => ErrorCode::InvalidParameter,
            Self::Store(_) => ErrorCode::Internal,
        }
    }
}

impl<S: Store, T, C: Clock, R> Broker<S, T, C, R> {
    /// Where an install link leads: the integration's `install_url`, with the variables that the link names, such as the
    /// shop. That page starts an attempt as any other does.
    ///
    /// # Errors
    /// The link's signature, age or variables do not hold, or the integration takes none.
    pub async fn install(
        &self,
        config_key: &str,
        params: &[(Cow<'_, str>, Cow<'_, str>)],
    ) -> Result<Url, InstallError> {
        let unknown = || InstallError::UnknownIntegration(config_key.to_owned());
        let key = ConfigKey::parse(config_key).map_err(|_| unknown())?;
        let found = self.integrations.integration(&key).await.map_err(|error| match error {
            FindIntegrationError::Store(error) => InstallError::Store(error),
            other => InstallError::InvalidIntegration(Box::new(other)),
        });
        let integration = found?.ok_or_else(unknown)?;
        let not_installable = |reason| InstallError::NotInstallable(key.clone(), reason);
        let provider = &integration.provider;
        let signature = provider
            .callback_signature
            .as_ref()
            .ok_or_else(|| not_installable("its provider signs no links"))?;
        let secret =
            integration.client_secret.as_ref().ok_or_else(|| not_installable("it has no client secret"))?;
        signature.verify(params, secret, self.clock.now())?;
        let page = integration.rules.install_url.as_deref().and_then(|page| Url::parse(page).ok());
        let mut url = page.ok_or_else(|| {
            not_installable("set its install_url with `handfast config edit .. --install-url`")
        })?;
        for (name, variable) in &provider.variables {
            let Some(param) = &variable.callback_param else { continue };
            let mut values = params.iter().filter(|(own, _)| own == param).map(|(_, value)| value);
            let value = values.next().filter(|_| values.next().is_none()).map_or("", |value| value.as_ref());
            url.query_pairs_mut().append_pair(name, &variable.parse(name, value)?);
        }
        Ok(url)
    }
}
