//! The connection to the NATS server.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use tokio::time::sleep;

use crate::Failed;

/// A server that has not answered two of these is away.
const PING: Duration = Duration::from_secs(5);

/// Between two attempts to connect for the first time.
const RETRY: Duration = Duration::from_secs(1);

/// For a process that stays: it waits until the server is there, and goes on when it comes back.
///
/// # Errors
/// The address is none.
pub(crate) async fn patient(url: &str) -> Result<Client, Failed> {
    let address = Address::parse(url)?;
    let told = |event: Event| async move {
        if matches!(event, Event::Connected | Event::Disconnected | Event::ServerError(_)) {
            eprintln!("xenlight-fleet: NATS: {event}");
        }
    };
    let mut said = String::new();
    loop {
        match address.connect(ConnectOptions::new().event_callback(told).ping_interval(PING)).await {
            Ok(client) => return Ok(client),
            // It may be so for long.
            Err(failed) if failed.to_string() == said => {}
            Err(failed) => {
                said = failed.to_string();
                eprintln!("xenlight-fleet: {said}");
            }
        }
        sleep(RETRY).await;
    }
}

/// For a command.
///
/// # Errors
/// The address is none; there is no server; or it does not know the user.
pub(crate) async fn impatient(url: &str) -> Result<Client, Failed> {
    Address::parse(url)?.connect(ConnectOptions::new()).await
}

/// Where servers are, and who is to be known there.
struct Address {
    servers: Vec<ServerAddr>,
    user: Option<(String, String)>,
}

impl Address {
    fn parse(url: &str) -> Result<Self, Failed> {
        let servers = url.split(',').map(str::parse).collect::<Result<Vec<ServerAddr>, _>>();
        // The password may be in it.
        let servers = servers.map_err(|error| format!("the address of the NATS server: {error}"))?;
        let plain = |text: Option<&str>| percent_decode_str(text.unwrap_or_default()).decode_utf8_lossy().into_owned();
        // The library leaves it to its user to take them from there. One user goes for all servers.
        let user = servers.iter().find(|server| server.has_user_pass());
        let user = user.map(|server| (plain(server.username()), plain(server.password())));
        Ok(Self { servers, user })
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Client, Failed> {
        let options = match self.user.clone() {
            Some((name, password)) => options.user_and_password(name, password),
            None => options,
        };
        let client = options.name("xenlight-fleet").connect(&self.servers[..]).await;
        client.map_err(|error| format!("cannot reach the NATS server: {error}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_user_and_the_password_for_all_servers() {
        let address = Address::parse("nats://a.example,tls://xen%401:p%3As@b.example:4223").unwrap();
        assert_eq!(address.servers.len(), 2);
        assert_eq!(address.user, Some(("xen@1".to_owned(), "p:s".to_owned())));
        assert_eq!(Address::parse("nats://a.example").unwrap().user, None);
        let error = Address::parse("nats://xen1:secret@:4222").err().unwrap().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
