//! What others send to the console or into the table: refused, or inert.

use hookledger_core::model::identity::ProviderId;

use super::Browser;
use crate::town::{RIGHTFOOT, Town};

/// Every request that does not come from the console's own pages, and what it is answered.
#[tokio::test]
async fn who_is_not_let_in_learns_and_does_nothing() {
    let town = Town::new().await;
    let key = town.parked("secret-batch", "answered 422", 300).await;
    let browser = Browser::new(&town, &["--write"]).await;
    let (host, cookie) = (browser.host(), browser.cookie.clone());
    let plan = "/parked/plan?pk=rightfoot%23batch%23secret-batch&sk=";
    let sk = key.sk.replace('#', "%23");
    let csrf = browser.get(&format!("{plan}{sk}")).await.csrf().unwrap();
    let path = format!("/parked/replay?pk=rightfoot%23batch%23secret-batch&sk={sk}");
    let get = |host: &str, cookie: &str, path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n")
    };
    let (origin, form) = (format!("http://{host}"), format!("csrf={csrf}&why=x"));
    let post =
        |origin: &str, cookie: &str, form: &str| browser.form(&path, &[("origin", origin), ("cookie", cookie)], form);
    let localhost = format!("localhost:{}", browser.port);
    let bad_cookie = format!("{}{}", &cookie[..cookie.len() - 1], if cookie.ends_with('0') { '1' } else { '0' });
    let json = post(&origin, &cookie, &form).replace("application/x-www-form-urlencoded", "application/json");
    let ten_mb = "x".repeat(10_000_000);
    let doctor = post(&origin, &cookie, "csrf=00").replace(&path, "/doctor");
    let asked = get(&host, "", "/act/outcomes?n=1");
    let rows: [(&str, String, u16); 28] = [
        ("as it should be", get(&host, &cookie, "/parked"), 200),
        ("its other name", get(&localhost, &cookie, "/parked"), 200),
        ("another name that leads here", get("evil.example:80", &cookie, "/parked"), 421),
        ("another port", get("127.0.0.1:1", &cookie, "/parked"), 421),
        ("no port", get("127.0.0.1", &cookie, "/parked"), 421),
        ("a name that begins like it", get(&format!("{host}.evil.example"), &cookie, "/parked"), 421),
        ("two hosts", get(&format!("{host}\r\nhost: evil.example"), &cookie, "/parked"), 421),
        ("another host in the first line", get(&host, &cookie, "http://evil.example/parked"), 421),
        ("no cookie", get(&host, "", "/parked"), 403),
        ("a forged cookie", get(&host, &bad_cookie, "/parked"), 403),
        ("a cookie of another port", get(&host, &cookie.replace("hookledger-", "hookledger-1"), "/parked"), 403),
        ("the token, used before", get(&host, "", &browser.first), 403),
        ("a forged token", get(&host, "", "/?token=00"), 403),
        ("no cookie, for a file", get(&host, "", "/static/console.js"), 403),
        ("another site's form", post("http://evil.example", &cookie, &form), 403),
        ("another port's form", post("http://127.0.0.1:1", &cookie, &form), 403),
        ("a form over https", post(&format!("https://{host}"), &cookie, &form), 403),
        ("a form of no origin", post("null", &cookie, &form), 403),
        ("a form without its origin", browser.form(&path, &[("cookie", &cookie)], &form), 403),
        ("a form without a cookie", post(&origin, "", &form), 403),
        ("a form without its token", post(&origin, &cookie, "why=x"), 403),
        ("a form with a forged token", post(&origin, &cookie, "csrf=00&why=x"), 403),
        ("a form that is JSON", json, 415),
        ("a form of ten megabytes", post(&origin, &cookie, &format!("{form}&x={ten_mb}")), 413),
        ("a forged token, to ask outward", doctor, 403),
        ("no cookie, for what came of an act", asked, 403),
        ("an act by a link", get(&host, &cookie, &path), 405),
        ("another method", get(&host, &cookie, "/parked").replacen("GET", "DELETE", 1), 405),
    ];
    for (name, request, status) in rows {
        let answer = browser.send(&request).await;
        assert_eq!(answer.status, status, "{name}: {} {}", answer.head, answer.body);
        assert!(status == 200 || !answer.body.contains("answered 422"), "{name} learns something");
        let csp = answer.header("content-security-policy").unwrap_or_default();
        assert!(csp.starts_with("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{name}: {csp}");
        for (header, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
            assert_eq!(answer.header(header), Some(value), "{name}");
        }
    }
    assert_eq!(town.rows(&["parked"]).await.0.len(), 1, "nothing was done");
}

/// Without --write no form is shown, and none is taken.
#[tokio::test]
async fn a_console_that_only_shows_does_nothing() {
    let town = Town::new().await;
    town.parked("b1", "answered 422", 300).await;
    let browser = Browser::new(&town, &[]).await;
    let query = "provider=rightfoot&reason=answered%20422";
    let plan = browser.get(&format!("/parked/plan?{query}")).await;
    assert!(plan.csrf().is_none() && !plan.body.contains("method=\"post\""), "{}", plan.body);
    assert_eq!(plan.header("referrer-policy"), Some("no-referrer"));
    let refused = browser.get("/refused/plan?provider=rightfoot").await;
    assert!(refused.csrf().is_none() && refused.header("referrer-policy") == Some("no-referrer"), "{}", refused.body);
    let acts = ["/parked/replay", "/parked/close", "/refused/reverify", "/act/stop"];
    for act in acts {
        let answer = browser.post(&format!("{act}?{query}"), "csrf=&why=x").await;
        assert!(answer.status == 403 && answer.body.contains("read-only"), "{act}: {}", answer.body);
    }
    assert_eq!(town.rows(&["parked"]).await.0.len(), 1);
}

/// No path leads to a file: there are two, and both are compiled in.
#[tokio::test]
async fn no_path_leads_out_of_the_console() {
    let town = Town::new().await;
    let browser = Browser::new(&town, &[]).await;
    assert!(browser.get("/static/console.css").await.body.contains(":root"));
    for path in [
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/static/console.css/../../Cargo.toml",
        "/static/",
        "/%2e%2e/Cargo.toml",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
        assert!(!answer.body.contains("root:") && !answer.body.contains("[package]"), "{path}");
    }
}

/// All that a provider can write stands in every page as text, and nothing of it is obeyed.
#[tokio::test]
async fn what_others_wrote_is_text() {
    const MARK: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[31m\u{202e}";
    let town = Town::new().await;
    let key = town.came(RIGHTFOOT, "batch", MARK, MARK, 60).await;
    let other = town.came(ProviderId("fynapse"), "event", &format!("e{MARK}"), MARK, 70).await;
    assert!(hookledger_core::ports::Entries::park(&town.ledger, &key, MARK, town.now).await.unwrap());
    town.refused_with(MARK).await;
    town.waits(MARK).await;
    let merchant = town.merchant(MARK, MARK, 80).await;
    let browser = Browser::new(&town, &["--write"]).await;
    let pk = |pk: &str| pk.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let (subject, sk, mark) = (pk(&key.pk), pk(&key.sk), pk(MARK));
    let paths = [
        "/".to_string(),
        "/events".into(),
        format!("/events?type={mark}&subject={subject}"),
        format!("/events?provider={mark}"),
        "/parked".into(),
        format!("/parked?reason={mark}"),
        format!("/parked/plan?provider=rightfoot&reason={mark}"),
        format!("/parked/plan?pk={subject}&sk={sk}"),
        format!("/parked/plan?pk={mark}&sk={mark}"),
        format!("/refused?provider={mark}"),
        "/refused".into(),
        "/refused/plan?provider=rightfoot".into(),
        format!("/refused/plan?provider={mark}&day={mark}"),
        "/owed".into(),
        "/merchants".into(),
        format!("/merchants?status={mark}"),
        format!("/merchants?since={mark}"),
        "/doctor".into(),
        format!("/act?n={mark}"),
        "/expectations".into(),
        "/providers".into(),
        format!("/subject?pk={subject}"),
        format!("/subject?pk={}", pk(&other.pk)),
        format!("/subject?pk={}", pk(merchant.as_str())),
        format!("/subject?pk={mark}"),
        format!("/find?id={mark}x"),
    ];
    let mut shown = 0;
    for path in paths {
        let answer = browser.get(&path).await;
        let body = &answer.body;
        for forbidden in ["<script>alert", "<img", "\u{1b}", "\u{202e}"] {
            assert!(!body.contains(forbidden), "{path} has {forbidden:?}: {body}");
        }
        shown += usize::from(body.contains("&lt;script&gt;alert") && body.contains(r"\u{1b}"));
    }
    assert!(shown >= 19, "it stands in {shown} pages");
    // And what a form brings comes back as text too.
    let plan = browser.get(&format!("/parked/plan?pk={subject}&sk={sk}")).await;
    let form = format!("csrf={}&why={mark}", plan.csrf().unwrap());
    let done = browser.act(&plan.links("/parked/replay")[0], &form).await;
    assert!(done.body.contains("1 opened, 0 failed"), "{}", done.body);
    let file = browser.get(&done.links("/act/outcomes")[0]).await;
    assert!(file.header("content-type") == Some("application/jsonl") && !file.body.contains('\u{1b}'), "{}", file.head);
    assert!(!done.body.contains("<script>alert") && done.body.contains("&lt;script&gt;alert"), "{}", done.body);
}
