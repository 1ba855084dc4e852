//! A second stack on the same emulator, which a test may delete and make again, and what is kept of it.

use std::process::{Command, Stdio};

use super::{Local, Outcome, Stack};

impl Local {
    /// Runs `cargo xtask` with these words, to its end.
    pub(crate) async fn xtask(&self, words: &[&str]) -> Outcome<()> {
        let mut command = Command::new(&self.stack.xtask);
        command.args(words).env_remove("CARGO_MANIFEST_DIR").stdin(Stdio::null());
        let ended = tokio::task::spawn_blocking(move || command.output()).await.map_err(|error| error.to_string())?;
        let ended = ended.map_err(|error| format!("xtask could not be started: {error}"))?;
        match ended.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&ended.stderr).into_owned()),
        }
    }

    /// Deploys the second stack, or changes it, and listens on its bus. Its secrets are as CloudFormation left them.
    pub async fn second_up(&self, parameters: &[&str]) -> Outcome<Self> {
        let words: Vec<&str> = ["second", "up"].into_iter().chain(parameters.iter().copied()).collect();
        self.xtask(&words).await.map_err(|error| format!("the second stack was not deployed: {error}"))?;
        Self::attach_to(Stack::load_second()?).await
    }

    /// Deletes the second stack. What outlives it stays.
    pub async fn second_down(&self) -> Outcome<()> {
        let deleted = self.xtask(&["second", "down"]).await;
        deleted.map_err(|error| format!("the second stack was not deleted: {error}"))
    }

    /// Restores a copy of this stack's table, as it is now, under another name.
    pub async fn restore_table_to(&self, name: &str) -> Outcome<()> {
        let restore = self.clients.dynamodb.restore_table_to_point_in_time().use_latest_restorable_time(true);
        let restore = restore.source_table_name(&self.stack.table).target_table_name(name);
        restore.send().await.map(drop).map_err(|error| format!("{error:?}"))
    }

    /// Deletes a table that no stack needs any more.
    pub async fn delete_table(&self, name: &str) -> Outcome<()> {
        self.clients
            .dynamodb
            .delete_table()
            .table_name(name)
            .send()
            .await
            .map(drop)
            .map_err(|error| format!("{error:?}"))
    }
}
