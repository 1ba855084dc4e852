//! How the stack on record is doing.

use crate::process::processes::Record;
use crate::project::Project;
use crate::stack::ministack;
use anyhow::Result;

/// How the stack on record is doing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Down,
    Healthy,
    /// Something is on record, and it does not work; why, in words.
    Broken(String),
}

pub(crate) fn health(project: &Project) -> Result<Health> {
    let record = Record::load(project)?;
    if record.services.is_empty() {
        return Ok(Health::Down);
    }
    if let Some(dead) = record.dead() {
        return Ok(Health::Broken(format!("{dead} has ended")));
    }
    if record.deployed.is_empty() {
        return Ok(Health::Broken("it was never deployed to its end".to_owned()));
    }
    let answers = record.service("ministack").is_some_and(|service| ministack::is_healthy(service.port));
    let sandbox_answers = record.service("sandbox").is_some_and(|service| crate::http::listens(service.port));
    Ok(match (answers, sandbox_answers) {
        (true, true) => Health::Healthy,
        (false, _) => Health::Broken("MiniStack does not answer".to_owned()),
        (true, false) => Health::Broken("the sandbox does not answer".to_owned()),
    })
}
