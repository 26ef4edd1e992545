//! Why something was not done, as others are told.

use serde_json::{Value, json};

use crate::service::Service;

/// The answer to what was not done: names are those of xenlightd's errors, and a few more.
pub(crate) struct Refusal(pub(crate) Value);

impl Refusal {
    pub(crate) fn new(name: &str, message: &str) -> Self {
        Self(json!({ "error": { "name": name, "message": message } }))
    }

    /// This process has been told to end.
    pub(crate) fn stopping(what: &str) -> Self {
        Self::new("Stopping", &format!("xenlight-fleet is being stopped on this host: {what}"))
    }

    /// Of a job that has failed, with libxl's words.
    pub(crate) async fn of_job(service: &Service, job: &str, error: zbus::Error) -> Self {
        let mut refusal = Self::from(error);
        refusal.0["error"]["words"] = service.words(job).await.unwrap_or_default().into();
        refusal
    }

    /// Says this, too.
    pub(crate) fn add(&mut self, more: &str) {
        let message = &mut self.0["error"]["message"];
        *message = format!("{}; {more}", message.as_str().unwrap_or_default()).into();
    }
}

impl From<zbus::Error> for Refusal {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, message, _) => {
                let name = name.strip_prefix("org.osevent.Xen1.Error.").unwrap_or(&name).to_owned();
                Self::new(&name, &message.unwrap_or_default())
            }
            error => Self::new("ServiceMissing", &error.to_string()),
        }
    }
}
