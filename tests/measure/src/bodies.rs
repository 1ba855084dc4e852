//! The bodies: each provider's shape, with what varies in number repeated until the body has its size.

/// A kind of delivery.
pub struct Case {
    /// Its name in the table.
    pub name: &'static str,
    /// The provider's.
    pub provider: &'static str,
    /// What comes before the repeated part.
    head: &'static str,
    /// The repeated part.
    item: &'static str,
    /// What comes after it.
    tail: &'static str,
    /// Whether the identity is made of the repeated part itself, so that it has to be read in full.
    pub may_copy: bool,
}

/// All of them.
pub static CASES: &[Case] = &[
    Case {
        name: "rightfoot alerts",
        provider: "rightfoot",
        head: r#"{"event_uuid":"1f0c","type":"BALANCE_THRESHOLD_ALERT","batch_id":"b-1","schedule_id":"s-1","timestamp":"2026-11-22T08:00:00Z","alerts":["#,
        item: r#"{"authorizer_unique_id":"a-1000231","balance":1204.10,"threshold_amount":1500.00,"operator":"LESS_THAN"}"#,
        tail: "]}",
        may_copy: false,
    },
    Case {
        name: "fynapse extract",
        provider: "fynapse",
        head: r#"{"event_id":"e-1","type":"balance.extracted","data":{"extract":"daily","balances":["#,
        item: r#"{"account":"1000-2310","currency":"EUR","debit":"120400.10","credit":"0.00","asOf":"2026-11-21"}"#,
        tail: "]}}",
        may_copy: false,
    },
    Case {
        name: "finbox statement",
        provider: "finbox",
        head: r#"{"entity_id":"6b6a-11","statement_id":"s-1","link_id":"l-1","progress":"completed","reason":"","pages":["#,
        item: r#"{"page":1,"account":"XXXX1234","ifsc":"HDFC0000001","from":"2026-10-01","to":"2026-10-31"}"#,
        tail: "]}",
        may_copy: false,
    },
    Case {
        name: "finbox session",
        provider: "finbox",
        head: r#"{"event_name":"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION","session_id":"x-1","accounts":["#,
        item: r#"{"bank_name":"hdfc","account_id":"a-7","account_status":"COMPLETED","error_code":null,"months":12}"#,
        tail: "]}",
        may_copy: true,
    },
    Case {
        name: "runpayments transaction",
        provider: "runpayments",
        head: r#"{"event_type":"transaction.entered","source_id":12345,"timestamp":"2026-11-22T08:00:00.000Z","metadata":{"webhook_id":"w-1","attempt":1,"idempotency_key":"k-1"},"payload":{"items":["#,
        item: r#"{"sku":"A-100","quantity":3,"amount":19.90,"tax":1.59,"description":"Ruled paper, A4, 80 g"}"#,
        tail: "]}}",
        may_copy: false,
    },
    Case {
        name: "runpayments merchant",
        provider: "runpayments",
        head: r#"{"event_type":"merchant.boarded","source_id":12345,"timestamp":"2026-11-22T08:00:00.000Z","metadata":{"webhook_id":"w-1","attempt":1,"idempotency_key":"k-1"},"payload":{"merchant_id":"m-7","owners":["#,
        item: r#"{"name":"A. Example","share":25,"address":{"street":"Main St 1","city":"Springfield","zip":"12345"}}"#,
        tail: "]}}",
        may_copy: false,
    },
];

/// The sizes of the bodies that are measured, in bytes.
pub const SIZES: [usize; 4] = [300, 2 * 1024, 64 * 1024, 2 * 1024 * 1024];

impl Case {
    /// The case of this name.
    pub fn named(name: &str) -> &'static Self {
        CASES.iter().find(|case| case.name == name).expect("the name of a case")
    }

    /// A body of about this size, never smaller than one item makes it.
    pub fn body(&self, bytes: usize) -> Vec<u8> {
        let room = bytes.saturating_sub(self.head.len() + self.tail.len());
        let items = (room / (self.item.len() + 1)).max(1);
        let list = vec![self.item; items].join(",");
        [self.head, &list, self.tail].concat().into_bytes()
    }
}
