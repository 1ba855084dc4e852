//! What an application may not ask for: the debts of submissions are a submission's own, and no field goes to Rightfoot
//! that Rightfoot does not document.

use hookledger_core::desk::submit::SubmitError;
use hookledger_core::flows::expectations::{announce, close, look_up};
use hookledger_core::model::debt::ExpectationState;
use hookledger_tests::memory::{answer, run};

use super::{DOCUMENT, TAKEN, expectations, posted, rightfoot, submit};

#[test]
fn only_a_submission_makes_and_ends_its_own_debt() {
    // The provider refuses, so the debt waits for its deadline.
    let (town, _) = rightfoot(|| answer(503, "{}"));
    let provider = town.provider("rightfoot");
    let Err(SubmitError::NotAccepted { submission, .. }) = submit(&town, DOCUMENT) else {
        panic!("it is not accepted")
    };
    let before = town.inbox.ledger.expectations();
    let rule = "the reference must not begin with submission: what is owed for a submission, only the submission \
                itself makes and ends";
    for reference in [submission.as_str(), "submission:x", "submission:"] {
        let error = run(announce(&town.inbox, provider, reference)).unwrap_err();
        assert_eq!(error.to_string(), rule, "put {reference}");
        let error = run(close(&town.inbox, provider, reference)).unwrap_err();
        assert_eq!(error.to_string(), rule, "delete {reference}");
    }
    assert_eq!(town.inbox.ledger.expectations(), before, "nothing was made or ended");
    let seen = run(look_up(&town.inbox, provider, &submission)).unwrap().unwrap();
    assert_eq!(seen.state, ExpectationState::Waiting, "it may be looked at");
}

#[test]
fn an_answer_that_names_a_submission_for_a_batch_makes_no_debt() {
    let (town, _) = rightfoot(|| answer(200, r#"{"batch_id":"submission:x"}"#));
    assert!(submit(&town, DOCUMENT).is_err());
    let (submissions, batches) = expectations(&town);
    assert_eq!((submissions.len(), submissions[0].state, batches.len()), (1, ExpectationState::Waiting, 0));
}

#[test]
fn a_field_that_is_not_documented_goes_nowhere() {
    for (field, named) in [
        ("callback_url", "callback_url"),
        ("webhookUrl", "webhookUrl"),
        ("Authorizers", "Authorizers"),
        ("note", "note"),
        // A name may be anything, a person's number among it: only a plain one is told.
        ("000-12-3456 \\u001b[2J", "(its name is none of a field)"),
        ("", "(its name is none of a field)"),
    ] {
        let (town, _) = rightfoot(|| answer(200, TAKEN));
        let document = DOCUMENT.replacen('{', &format!(r#"{{"{field}":"https://else.example","#), 1);
        let error = submit(&town, &document).unwrap_err().to_string();
        let expected = format!("field {named} is not documented by the provider: nothing was sent");
        assert_eq!(error, expected);
        assert!(posted(&town).is_empty() && town.inbox.ledger.expectations().is_empty(), "{field}");
    }
    // What an authorizer holds is between the application and Rightfoot.
    let (town, _) = rightfoot(|| answer(200, TAKEN));
    submit(&town, r#"{"authorizers":[{"authorizer_unique_id":"a1","ssn":"000-12-3456"}],"webhook_url":null}"#).unwrap();
    assert!(posted(&town)[0].contains(r#""ssn":"000-12-3456""#));
}
