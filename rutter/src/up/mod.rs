//! A whole cluster on one machine: every service in this process, or each in one of its own; nats-server as its child.

mod args;
mod background;
mod broker;
mod cluster;
mod image;
mod kubeconfig;
mod lock;
mod paths;
mod progress;
mod ready;
mod spread;
mod stop;

use anyhow::Result;

pub(crate) use args::{DownArgs, Runtime, UpArgs};
pub(crate) use image::load_image;
pub(crate) use kubeconfig::write as write_kubeconfig;
pub(crate) use lock::take as hold;
pub(crate) use paths::Home;
pub(crate) use stop::down;

use crate::print;
use progress::Progress;

/// Starts the cluster; in the background, shows its steps until it is ready. A second start is harmless.
pub(crate) async fn up(args: UpArgs) -> Result<()> {
    let home = Home::open(&args.data)?;
    if !args.background {
        let progress = Progress::open();
        return if args.spread {
            spread::run(args, home, progress).await
        } else {
            cluster::run(args, home, progress).await
        };
    }
    match lock::running(&home) {
        Some(pid) => eprintln!("  the cluster runs already (pid {pid})"),
        None => background::start(&home)?,
    }
    what_next(&home)
}

/// The next three things to type.
fn what_next(home: &Home) -> Result<()> {
    let kubeconfig = home.kubeconfig();
    print::line(&format!("export KUBECONFIG={}", kubeconfig.display()))?;
    print::line("kubectl apply -f examples/web.yaml")?;
    print::line("kubectl rollout status deployment/web")
}
