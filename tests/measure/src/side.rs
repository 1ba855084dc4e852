//! The two sides that are compared.

use std::hint::black_box;
use std::sync::Arc;

use futures_util::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use hookledger_core::flows::receive::receive;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::secret::{ProviderSecrets, Secret};
use hookledger_core::model::time::UnixMs;
use hookledger_core::providers::{self, Provider};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::bodies::Case;
use crate::ports::{Known, Ports};

const KEY: &str = "a signing secret of forty-odd characters...";
const TOKEN: &str = "kq3v2XxWZb0m6mJrj7vDqk1X2c9yX5l8yqP8u2fWq1E";
/// 2026-11-22T08:00:00Z.
const NOW: UnixMs = UnixMs(1_795_334_400_000);

/// What is run.
#[derive(Clone, Copy)]
pub enum Side {
    /// What no receiver could leave out.
    Floor,
    /// The flow as it ships.
    CorePath,
}

impl Side {
    /// Both, in the order in which they are measured.
    pub const BOTH: [Self; 2] = [Self::Floor, Self::CorePath];

    /// Its name in figures and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::CorePath => "core-path",
        }
    }
}

/// One case at one size, ready to run.
pub struct Bench {
    provider: Box<dyn Provider>,
    secrets: Known,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    signed: bool,
    ports: Ports,
}

/// What one event brings.
pub enum Arrival {
    /// A delivery, until it is received.
    Delivery(Option<Delivery>),
    /// For the floor: the bytes alone, since a delivery shows none before it is verified.
    Bytes(Vec<u8>),
}

impl Bench {
    /// Makes one, and receives it once to see that it is admitted.
    pub fn new(case: &Case, bytes: usize) -> Self {
        let provider =
            (providers::definition(case.provider).expect("a provider").build)(&|_| None).expect("default settings");
        let named = |value: &str| format!(r#"[{{"id":"2026-11","value":"{value}"}}]"#);
        let document = format!(r#"{{"signing_secrets":{},"url_tokens":{}}}"#, named(KEY), named(TOKEN));
        let body = case.body(bytes);
        let kit = hookledger_kit::of(case.provider);
        let proof = (kit.prove)(&body, KEY, NOW.secs());
        // What a gateway sends along.
        let mut headers: Vec<(String, String)> =
            [("content-type", "application/json"), ("host", "a1b2c3.example"), ("user-agent", "webhooks/1.0")]
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .into();
        headers.extend(proof.headers.into_iter().map(|(name, value)| (name.to_string(), value)));
        let secrets = Known(Arc::new(ProviderSecrets::parse(&document).expect("a secret document")));
        let bench = Self { provider, secrets, body, headers, signed: kit.is_signed(), ports: Ports::default() };
        bench.receive(bench.delivery());
        assert!(bench.ports.sent() == 1, "{}: the delivery was not admitted with work owed", case.name);
        bench
    }

    /// The body's size.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// What one event brings, with bytes of its own.
    pub fn arrival(&self, side: Side) -> Arrival {
        match side {
            Side::Floor => Arrival::Bytes(self.body.clone()),
            Side::CorePath => Arrival::Delivery(Some(self.delivery())),
        }
    }

    fn delivery(&self) -> Delivery {
        let mut delivery = Delivery::new(self.provider.id(), NOW, self.body.clone());
        delivery.source_ip = Some("192.0.2.7".into());
        delivery.path_token = Some(Secret::new(TOKEN));
        delivery.headers.clone_from(&self.headers);
        delivery
    }

    /// Runs the side that the arrival was made for.
    pub fn run(&self, arrival: &mut Arrival) {
        match arrival {
            Arrival::Bytes(body) => self.floor(black_box(body)),
            Arrival::Delivery(delivery) => delivery.take().into_iter().for_each(|it| self.receive(it)),
        }
    }

    fn floor(&self, body: &[u8]) {
        if self.signed {
            let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any key");
            mac.update(body);
            black_box(mac.finalize());
        } else {
            black_box(Sha256::digest(TOKEN.as_bytes()));
        }
        let value: &RawValue = serde_json::from_slice(body).expect("JSON");
        black_box(value);
    }

    fn receive(&self, delivery: Delivery) {
        let answer = receive(&self.ports, &self.secrets, self.provider.as_ref(), delivery).now_or_never();
        let answer = answer.expect("no port waits");
        assert!(answer.status == 200, "refused");
        black_box(answer);
    }
}
