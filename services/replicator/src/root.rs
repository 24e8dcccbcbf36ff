//! The root certificate for the namespaces' ConfigMaps. It rests in the log, sealed, from the first start of the first
//! gateway on; until then we look for it.

use std::time::Duration;

use rutter_controller::Machine;
use rutter_replicator_core::Defaults;
use rutter_runtime::controller::Outside;
use rutter_runtime::pki::cluster;
use rutter_runtime::seal::SealKey;
use rutter_runtime::view::View;
use tokio::time::sleep;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) struct Root {
    view: View,
    seal: SealKey,
    /// In PEM, once it was found. It never changes then.
    found: Option<String>,
}

impl Root {
    pub(crate) fn new(view: View, seal: SealKey) -> Root {
        Root { view, seal, found: None }
    }

    fn look(&self) -> Option<String> {
        let snapshot = self.view.snapshot().ok()?;
        let keys = cluster::read(&snapshot, &self.seal).ok()?;
        Some(keys.authority.certificate_pem().to_owned())
    }
}

impl Outside<Defaults> for Root {
    async fn next(&mut self) {
        if self.found.is_some() {
            std::future::pending::<()>().await;
        }
        while self.found.is_none() {
            sleep(LOOK).await;
            self.found = self.look();
        }
    }

    fn tell(&mut self, machine: &mut Machine<Defaults>) {
        let Some(pem) = &self.found else { return };
        machine.view_mut().tell_root(pem.clone());
        for namespace in machine.view().namespaces() {
            machine.wake(namespace);
        }
    }
}
