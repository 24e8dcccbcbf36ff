//! The root certificate for the namespaces' ConfigMaps: told once, it does not change while we run.

use rutter_controller::Machine;
use rutter_replicator_core::Defaults;
use rutter_runtime::controller::Outside;

#[derive(Debug)]
pub(crate) struct Root {
    pem: String,
}

impl Root {
    pub(crate) fn new(pem: String) -> Root {
        Root { pem }
    }
}

impl Outside<Defaults> for Root {
    async fn next(&mut self) {
        std::future::pending().await
    }

    fn tell(&mut self, machine: &mut Machine<Defaults>) {
        machine.view_mut().tell_root(self.pem.clone());
        for namespace in machine.view().namespaces() {
            machine.wake(namespace);
        }
    }
}
