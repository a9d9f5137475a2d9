//! Credentials in time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use object_store::{
    CredentialProvider,
    aws::{AwsCredential, AwsCredentialProvider},
};

use crate::errors::Failure;

/// Waits so long at most for what gives the credentials. The `object_store` crate fetches those of a role under a lock,
/// so that whoever comes later waits for all before.
#[derive(Debug)]
pub(crate) struct InTime {
    pub(crate) inner: AwsCredentialProvider,
    pub(crate) limit: Duration,
}

#[async_trait]
impl CredentialProvider for InTime {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let given = tokio::time::timeout(self.limit, self.inner.get_credential()).await;
        given.unwrap_or_else(|_| {
            Err(object_store::Error::Generic {
                store: "S3",
                source: Box::new(Failure::LateCredentials(self.limit)),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use consign_core::store::StoreError;

    use super::*;
    use crate::errors::store_error;

    #[derive(Debug)]
    struct Never;

    #[async_trait]
    impl CredentialProvider for Never {
        type Credential = AwsCredential;

        async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
            pending().await
        }
    }

    #[tokio::test]
    async fn credentials_are_not_waited_for_for_ever() {
        let credentials = InTime {
            inner: Arc::new(Never),
            limit: Duration::from_millis(10),
        };
        let error = store_error(credentials.get_credential().await.unwrap_err());
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
}
