//! The connection that a domain migrates over: TCP between two hosts, in TLS 1.3.
//!
//! Each process has a key of its own, which it makes when it starts and keeps in its memory. Whoever has a domain migrate tells each
//! side the other one's public key (RFC 7250), and each accepts that key only: there are no certificates, no authorities and no
//! names. What is sent cannot be read or changed by others, and nobody else is at the other end.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring as provider, verify_tls13_signature_with_raw_key};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::server::AlwaysResolvesServerRawPublicKeys;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::Failed;

/// How long the other side may take to answer, and to prove who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections that have not proved yet who is at their other end.
const UNPROVED: usize = 64;
/// Of them, those from one address. More are closed at once, so that nobody has all places.
const UNPROVED_OF_ONE: usize = 4;

/// After no connection could be accepted, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// How it is noticed that the other side is gone.
#[derive(Clone, Copy)]
pub(crate) struct Pulse {
    /// Whoever has nothing else to say gives a sign of life after this time.
    every: Duration,
    /// A side of which nothing is heard for this time is gone.
    patience: Duration,
}

pub(crate) const PULSE: Pulse = Pulse { every: Duration::from_secs(10), patience: Duration::from_secs(60) };

/// Who this process is.
pub(crate) struct Identity {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn new() -> Result<Self, Failed> {
        let provider = Arc::new(provider::default_provider());
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "there are no random numbers")?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.as_ref().to_vec()));
        let private = provider.key_provider.load_private_key(private)?;
        let public = private.public_key().ok_or("a key has no public part")?.to_vec();
        let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(public)], private));
        Ok(Self { provider, key })
    }

    /// What others know it by.
    pub(crate) fn public(&self) -> String {
        hex::encode(&self.key.cert[0])
    }

    /// Connects to the one with this key.
    ///
    /// # Errors
    /// There is no connection; or it is another one.
    pub(crate) async fn connect(&self, to: SocketAddr, key: &str) -> io::Result<TlsStream<TcpStream>> {
        let verifier = Arc::new(Only::new(key, &self.provider)?);
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        config.resumption = Resumption::disabled();
        let connected = async {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(Arc::new(config)).connect(ServerName::from(to.ip()), stream).await
        };
        Ok(timeout(HANDSHAKE, connected).await??.into())
    }

    /// Waits until the one with this key has connected. Others are turned away.
    ///
    /// # Errors
    /// The key is none; or nothing can be accepted.
    pub(crate) async fn accept(&self, listener: TcpListener, key: &str) -> io::Result<TlsStream<TcpStream>> {
        let verifier = Arc::new(Only::new(key, &self.provider)?);
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(io::Error::other)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (mut handshakes, mut unproved) = (JoinSet::new(), HashMap::new());
        loop {
            tokio::select! {
                accepted = listener.accept(), if handshakes.len() < UNPROVED => match accepted {
                    Ok((stream, from)) => {
                        let from = network(from.ip());
                        let places = unproved.entry(from).or_insert(0);
                        if *places < UNPROVED_OF_ONE {
                            *places += 1;
                            let proved = acceptor.accept(stream);
                            handshakes.spawn(async move { (from, timeout(HANDSHAKE, proved).await) });
                        }
                    }
                    Err(error) => {
                        eprintln!("xenlight-fleet: cannot accept a connection: {error}");
                        sleep(ACCEPT_AGAIN).await;
                    }
                },
                Some(done) = handshakes.join_next() => {
                    let (from, proved) = done.map_err(io::Error::other)?;
                    if let Ok(Ok(stream)) = proved {
                        stream.get_ref().0.set_nodelay(true)?;
                        return Ok(stream.into());
                    }
                    unproved.entry(from).and_modify(|places| *places -= 1);
                }
            }
        }
    }
}

/// What one machine has: an address, or all of an IPv6 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Brings what xenlightd says to the other host, and back, until both have ended.
///
/// On the line it is in pieces, each after its length as four bytes, the highest first. A piece of no length is a sign of life: TCP cannot
/// tell a machine that is gone from one that is slow to read, nor notice the first one early. Nobody is waited for while what he has said is
/// not read.
///
/// # Errors
/// The connection is lost, which xenlightd finds at once, as its own end is closed.
pub(crate) async fn relay(line: TlsStream<TcpStream>, service: UnixStream, pulse: Pulse) -> io::Result<()> {
    let (from_line, to_line) = tokio::io::split(line);
    let (from_service, to_service) = service.into_split();
    let to_line = async {
        // xenlightd closes what it has not read when it leaves, which is its end like any other.
        send(from_service, to_line, pulse.every).await.or_else(|lost| lost.of_reader())
    };
    let from_line = async {
        // That nobody is there any more is no reason to keep from the other host what was said before.
        receive(from_line, to_service, pulse.patience).await.or_else(|lost| lost.of_writer())
    };
    tokio::try_join!(to_line, from_line).map(drop)
}

enum Lost {
    Reader(io::Error),
    Writer(io::Error),
}

impl Lost {
    /// That the reader is lost is its end.
    fn of_reader(self) -> io::Result<()> {
        match self {
            Self::Reader(_) => Ok(()),
            Self::Writer(error) => Err(error),
        }
    }

    /// That the writer is lost is the end.
    fn of_writer(self) -> io::Result<()> {
        match self {
            Self::Reader(error) => Err(error),
            Self::Writer(_) => Ok(()),
        }
    }
}

/// The length before each piece.
const LENGTH: usize = size_of::<u32>();
const LONGEST: usize = 64 << 10;

/// Sends pieces until the service has ended.
async fn send(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, every: Duration) -> Result<(), Lost> {
    let mut bytes = vec![0; LENGTH + LONGEST];
    loop {
        let length = match timeout(every, from.read(&mut bytes[LENGTH..])).await {
            Ok(read) => match read.map_err(Lost::Reader)? {
                0 => return to.shutdown().await.map_err(Lost::Writer),
                length => length,
            },
            // A sign of life.
            Err(_) => 0,
        };
        bytes[..LENGTH].copy_from_slice(&(length as u32).to_be_bytes());
        to.write_all(&bytes[..LENGTH + length]).await.map_err(Lost::Writer)?;
        to.flush().await.map_err(Lost::Writer)?;
    }
}

/// Receives pieces until the other host has ended.
async fn receive(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    patience: Duration,
) -> Result<(), Lost> {
    let mut bytes = vec![0; LONGEST];
    loop {
        let piece = timeout(patience, piece(&mut from, &mut bytes)).await;
        let gone = || io::Error::new(io::ErrorKind::TimedOut, format!("nothing was heard for {patience:?}"));
        match piece.map_err(|_| Lost::Reader(gone()))?.map_err(Lost::Reader)? {
            Some(length) => to.write_all(&bytes[..length]).await.map_err(Lost::Writer)?,
            None => return to.shutdown().await.map_err(Lost::Writer),
        }
    }
}

/// The length of the next piece, or `None` after the last one.
async fn piece(from: &mut (impl AsyncRead + Unpin), bytes: &mut [u8]) -> io::Result<Option<usize>> {
    let mut length = [0; LENGTH];
    if from.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length) as usize;
    let too_long = || io::Error::new(io::ErrorKind::InvalidData, "the other host sends a piece that is too long");
    from.read_exact(bytes.get_mut(..length).ok_or_else(too_long)?).await?;
    Ok(Some(length))
}

/// Accepts one key.
#[derive(Debug)]
struct Only {
    key: SubjectPublicKeyInfoDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Only {
    fn new(key: &str, provider: &Arc<CryptoProvider>) -> io::Result<Self> {
        let key = hex::decode(key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Self { key: SubjectPublicKeyInfoDer::from(key), provider: provider.clone() })
    }

    fn is(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        if key.as_ref() == self.key.as_ref() {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }
}

/// What both sides have to say of signatures, each in a trait of its own.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _key: &CertificateDer<'_>,
            _signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.3 is wanted".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            _key: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            // The other side has to have the private part of the key.
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature_with_raw_key(message, &self.key, signed, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.is(key).map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Only {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.is(key).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { timeout(Duration::from_secs(60), test).await.unwrap() });
    }

    /// Whether the far end of a socket to the other host gets what is said.
    async fn talk(line: TlsStream<TcpStream>, other: TlsStream<TcpStream>) {
        let ((near, mut here), (far, mut there)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let relays = async { tokio::try_join!(relay(line, near, PULSE), relay(other, far, PULSE)) };
        let said = async {
            here.write_all(b"all of its memory").await.unwrap();
            let mut heard = [0; 17];
            there.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"all of its memory");
            there.write_all(b"it runs").await.unwrap();
            // What was said before the end is heard.
            drop(there);
            let mut heard = String::new();
            here.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "it runs");
            drop(here);
        };
        let (relayed, ()) = tokio::join!(relays, said);
        relayed.unwrap();
    }

    #[test]
    fn two_that_know_each_other_talk_and_strangers_do_not_keep_them_from_it() {
        run(async {
            let [source, target, stranger] = [(); 3].map(|()| Identity::new().unwrap());
            let (listener, address) = listener().await;
            let expected = source.public();
            let known = target.public();
            let accepting = async { target.accept(listener, &expected).await.unwrap() };
            let connecting = async {
                // One that says nothing, one that speaks something else, and one with another key.
                let silent = TcpStream::connect(address).await.unwrap();
                TcpStream::connect(address).await.unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
                if let Ok(mut refused) = stranger.connect(address, &known).await {
                    assert!(refused.read_u8().await.is_err(), "nothing is said to it");
                }
                (source.connect(address, &known).await.unwrap(), silent)
            };
            let (accepted, (connected, _silent)) = tokio::join!(accepting, connecting);
            talk(connected, accepted).await;
        });
    }

    #[test]
    fn nothing_is_said_to_one_that_has_another_key_than_expected() {
        run(async {
            let [source, target, other] = [(); 3].map(|()| Identity::new().unwrap());
            let (listener, address) = listener().await;
            let expected = source.public();
            let known = target.public();
            let error = tokio::select! {
                _ = other.accept(listener, &expected) => unreachable!("it is not connected to"),
                refused = source.connect(address, &known) => refused.map(drop).unwrap_err(),
            };
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        });
    }

    /// Two ends of a line, with keys that know each other.
    async fn line() -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
        let [source, target] = [(); 2].map(|()| Identity::new().unwrap());
        let (listener, address) = listener().await;
        let (expected, known) = (source.public(), target.public());
        tokio::try_join!(source.connect(address, &known), target.accept(listener, &expected)).unwrap()
    }

    /// Long enough for a busy machine.
    const QUICK: Pulse = Pulse { every: Duration::from_millis(100), patience: Duration::from_secs(4) };

    #[test]
    fn one_that_does_not_read_for_long_gets_all_of_it_and_one_that_is_gone_is_noticed() {
        run(async {
            let (line, other) = line().await;
            let ((near, mut here), (far, mut there)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            // More than is on its way in sockets.
            let all = vec![7; 32 << 20];
            let relays = async { tokio::try_join!(relay(line, near, QUICK), relay(other, far, QUICK)).map(drop) };
            let sent = async {
                here.write_all(&all).await.unwrap();
                here.shutdown().await.unwrap();
                assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
            };
            let received = async {
                sleep(2 * QUICK.patience).await;
                let mut received = Vec::new();
                there.read_to_end(&mut received).await.unwrap();
                assert!(received == all);
                drop(there);
            };
            let gone = async {
                let ((line, _gone), (near, _here)) = (self::line().await, UnixStream::pair().unwrap());
                let error = relay(line, near, QUICK).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
            };
            let (relayed, (), (), ()) = tokio::join!(relays, sent, received, gone);
            relayed.unwrap();
        });
    }

    #[test]
    fn many_from_one_address_do_not_keep_another_one_from_its_handshake() {
        run(async {
            let [source, target] = [(); 2].map(|()| Identity::new().unwrap());
            let (listener, address) = listener().await;
            let (expected, known) = (source.public(), target.public());
            let connecting = async {
                let mut silent = Vec::new();
                for _ in 0..2 * UNPROVED {
                    let socket = TcpSocket::new_v4().unwrap();
                    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
                    silent.push(socket.connect(address).await.unwrap());
                }
                (source.connect(address, &known).await.unwrap(), silent)
            };
            let (accepted, (connected, _silent)) = tokio::join!(target.accept(listener, &expected), connecting);
            talk(connected, accepted.unwrap()).await;
        });
    }
}
