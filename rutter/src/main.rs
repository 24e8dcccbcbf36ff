//! The one binary: services as subcommands, the whole cluster on one machine, and what operators ask a log.

mod cli;
mod history;
mod print;
mod process;
mod service;
mod token;
mod top;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use rutter_client::Client;

use cli::{Cli, Command, ImageCommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if rutter_nodeagent::veil::is_called() {
        return rutter_nodeagent::veil::run();
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rutter: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> Result<()> {
    let client = || Client::open(cli.kubeconfig.as_deref());
    match cli.command {
        Command::Up(args) => up::up(args).await,
        Command::Down(args) => up::down(args).await,
        Command::Join(args) => service::join(args).await,
        Command::Gateway(args) => service::gateway(args).await,
        Command::Ledger(args) => service::ledger(args).await,
        Command::Placement(args) => service::placement(args).await,
        Command::Replicator(args) => service::replicator(args).await,
        Command::Autoscaler(args) => service::autoscaler(args).await,
        Command::Nodeagent(args) => service::nodeagent(args).await,
        Command::History(args) => history::history(&client()?, args).await,
        Command::Why(args) => history::why(&client()?, args).await,
        Command::Get(args) => history::get(&client()?, args).await,
        Command::Undo(args) => history::undo(&client()?, args).await,
        Command::Watch(args) => history::watch(&client()?, args).await,
        Command::Top(args) => top::top(&client()?, args).await,
        Command::NatsSetup(args) => service::nats_setup(&args),
        Command::Token => token::token(&client()?).await,
        Command::Image { command: ImageCommand::Load { file, data } } => up::load_image(&file, &data).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "rutter", &mut std::io::stdout());
            Ok(())
        }
    }
}
