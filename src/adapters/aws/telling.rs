//! `-v`: which operation was asked for and how it was answered. Names and numbers only: addresses and headers are signed.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::FinalizerInterceptorContextRef},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// Tells of every attempt, those that the client repeats by itself too.
#[derive(Debug)]
pub(super) struct Telling;

impl Intercept for Telling {
    fn name(&self) -> &'static str {
        "Telling"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (service, operation) = cfg.load::<Metadata>().map_or(("aws", "?"), |named| (named.service(), named.name()));
        if let Some(status) = context.response().map(|response| response.status().as_u16()) {
            tracing::info!("{service} {operation}: {status}");
        } else {
            tracing::info!("{service} {operation}: no answer");
        }
        Ok(())
    }
}
