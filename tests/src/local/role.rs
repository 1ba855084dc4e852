//! A function's role, taken on by a test: what the function's own code could do if somebody else wrote it.

use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::AwsEnv;
use hookledger_core::model::secret::Secret;
use serde_json::{Value, json};

use super::Local;
use super::http::encoded;
use super::outcome::Outcome;
use crate::dynamo::tls;

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

impl Local {
    /// Clients that are held to the policies of this function's role.
    ///
    /// A function's role trusts the Lambda service alone, so for the moment of taking it on it trusts the stack's
    /// administrator, too.
    pub async fn clients_as(&self, function: &str) -> Outcome<Clients> {
        Ok(Clients::new(&self.credentials_as(function).await?, &tls()))
    }

    /// The credentials that such clients have.
    pub async fn credentials_as(&self, function: &str) -> Outcome<AwsEnv> {
        let arn = self.role_arn(function).await?;
        let trusting = |principals| {
            let statement = json!({ "Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole" });
            json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
        };
        let account = arn.split(':').nth(4).unwrap_or_default();
        let service = "lambda.amazonaws.com";
        let administrator = format!("arn:aws:iam::{account}:root");
        self.trust(&arn, &trusting(json!({ "Service": service, "AWS": administrator }))).await?;
        let assumed = self.assume(&arn).await;
        self.trust(&arn, &trusting(json!({ "Service": service }))).await?;
        assumed
    }

    /// The credentials of a person whose role has these of the stack's policies for people, and no other.
    pub async fn person(&self, name: &str, policies: &[&str]) -> Outcome<AwsEnv> {
        let account = self.stack.policies.values().next().and_then(|arn| arn.split(':').nth(4)).unwrap_or_default();
        let administrator = format!("arn:aws:iam::{account}:root");
        let statement = json!({ "Effect": "Allow", "Principal": { "AWS": administrator }, "Action": "sts:AssumeRole" });
        let trust = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        self.iam(&format!("Action=CreateRole&RoleName={name}&AssumeRolePolicyDocument={}", encoded(&trust))).await?;
        for policy in policies {
            let arn = self.stack.policies.get(*policy).ok_or("no such policy")?;
            self.iam(&format!("Action=AttachRolePolicy&RoleName={name}&PolicyArn={}", encoded(arn))).await?;
        }
        self.assume(&format!("arn:aws:iam::{account}:role/{name}")).await
    }

    async fn iam(&self, call: &str) -> Outcome<()> {
        let form = format!("{call}&Version=2010-05-08");
        self.http.aws("iam", "POST", "/", &FORM, form.into_bytes()).await?.expect(200).map(drop)
    }

    /// The ARN of a function's role.
    pub(super) async fn role_arn(&self, function: &str) -> Outcome<String> {
        let arn = self.configuration_of(function).await?["Role"].take();
        arn.as_str().map(str::to_string).ok_or_else(|| "the function has no role".into())
    }

    /// What Lambda says about a function.
    pub(crate) async fn configuration_of(&self, function: &str) -> Outcome<Value> {
        let path = format!("/2015-03-31/functions/{}", self.stack.function(function)?);
        let mut described = self.http.aws("lambda", "GET", &path, &[], Vec::new()).await?.json()?;
        Ok(described["Configuration"].take())
    }

    async fn trust(&self, arn: &str, document: &str) -> Outcome<()> {
        let role = arn.rsplit('/').next().unwrap_or_default();
        self.iam(&format!("Action=UpdateAssumeRolePolicy&RoleName={role}&PolicyDocument={}", encoded(document))).await
    }

    async fn assume(&self, arn: &str) -> Outcome<AwsEnv> {
        let form = format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=a-test&RoleArn={}", encoded(arn));
        let answered = self.http.aws("sts", "POST", "/", &FORM, form.into_bytes()).await?.expect(200)?.text();
        let field = |name: &str| {
            let value = answered.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next());
            value.map(str::to_string).ok_or_else(|| format!("the credentials lack {name}"))
        };
        Ok(AwsEnv {
            region: self.stack.region.clone(),
            access_key_id: field("AccessKeyId")?,
            secret_access_key: Secret::new(field("SecretAccessKey")?),
            session_token: Some(Secret::new(field("SessionToken")?)),
            endpoint_url: Some(self.stack.endpoint.clone()),
        })
    }
}
