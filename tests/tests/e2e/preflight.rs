//! The look at an account before a first deployment, at the emulator's: by who may do everything, and by who may not.

use std::process::{Command, Output, Stdio};

use hookledger_aws::start::env::AwsEnv;
use hookledger_core::model::secret::Secret;
use hookledger_tests::local::Local;

use super::scene;

/// `cargo xtask preflight` with these credentials: its exit code, and what it printed.
async fn preflight(local: &Local, aws: &AwsEnv, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(&local.stack.xtask);
    command.arg("preflight").args(words).env_remove("CARGO_MANIFEST_DIR").stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", &aws.access_key_id).env("AWS_SECRET_ACCESS_KEY", aws.secret_access_key.reveal());
    command.env("AWS_ENDPOINT_URL", &local.stack.endpoint).env("AWS_REGION", &aws.region);
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(aws.session_token.iter().map(|token| ("AWS_SESSION_TOKEN", token.reveal())));
    let Output { status, stdout, .. } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("xtask starts");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned())
}

#[tokio::test]
async fn an_account_is_looked_at_before_the_first_deployment() {
    let (_guard, scene) = scene("preflight").await;
    let (local, stack) = (&scene.local, &scene.local.stack);
    let owner = AwsEnv {
        region: stack.region.clone(),
        access_key_id: stack.access_key_id.clone(),
        secret_access_key: Secret::new(stack.secret_access_key.clone()),
        session_token: None,
        endpoint_url: Some(stack.endpoint.clone()),
    };
    let (code, said) = preflight(local, &owner, &[]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no stack is called hookledger yet") && said.contains("concurrent executions"), "{said}");
    let (code, said) =
        preflight(local, &owner, &["--stack", &stack.stack_name, "FinboxReservedConcurrency=100000"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("the stack {} is there", stack.stack_name)), "{said}");
    assert!(said.contains("mend     FinboxReservedConcurrency is 100000"), "{said}");

    // A function's role may not even ask. Where it may, what it lacks is named.
    let role = local.credentials_as("rightfoot").await.unwrap();
    let (code, said) = preflight(local, &role, &[]).await;
    assert_eq!((code, said.matches("unknown  ").count() >= 3), (Some(0), true), "{said}");
    let asking = ["cloudformation:DescribeStacks", "lambda:GetAccountSettings", "iam:SimulatePrincipalPolicy"];
    local.grant("rightfoot", &asking).await.unwrap();
    let told = preflight(local, &role, &[]).await;
    local.allow("rightfoot").await.unwrap();
    let (code, said) = told;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("lacks apigateway:DELETE") && said.contains("dynamodb:CreateTable"), "{said}");
    assert!(!said.contains("unknown  "), "{said}");
}
