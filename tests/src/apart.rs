//! A cluster whose services run apart: nats-server and every service a process of its own, started, stopped, killed and
//! halted one by one. All of it on loopback, in one directory; what runs ends with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rutter_client::Client;

use crate::port;
use crate::wait::{eventually, until};

/// How long one answer of `/metrics` may take.
const SCRAPE: Duration = Duration::from_millis(500);
/// The broker where it is one server.
const BROKER: &str = "nats-server";
/// Where the broker's servers listen where they are three; each is called by its address.
pub const THREE_HOSTS: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
/// The name that simulated nodes begin with.
pub const SIMULATION: &str = "sim";

/// See the module.
pub struct Apart {
    rutter: PathBuf,
    dir: PathBuf,
    /// Where the broker's servers listen: each on a loopback address of its own, all on one port.
    hosts: Vec<&'static str>,
    port: u16,
    running: BTreeMap<String, Child>,
    /// Where each process that was started with one serves its metrics.
    metrics: BTreeMap<String, SocketAddr>,
}

/// The binary under test that lies beside a test of this workspace: the same profile's.
///
/// # Errors
/// When it was not built.
pub fn beside() -> Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let profile = tests.parent().and_then(Path::parent).context("tests lie in target/<profile>/deps")?;
    let rutter = profile.join("rutter");
    ensure!(rutter.exists(), "{} is not there: make test builds it", rutter.display());
    Ok(rutter)
}

/// The nats-server of the house, or the one that the environment names.
#[must_use]
pub fn nats_server() -> PathBuf {
    let house = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/bin/nats-server");
    std::env::var_os("RUTTER_NATS_SERVER").map_or_else(house, PathBuf::from)
}

impl Apart {
    /// Writes the broker's files into an empty directory, and starts it: one server.
    ///
    /// # Errors
    /// When either fails.
    pub async fn start(rutter: &Path, dir: &Path) -> Result<Apart> {
        let mut apart = Apart::set_up(rutter, dir, &THREE_HOSTS[..1])?;
        apart.start_broker().await?;
        Ok(apart)
    }

    /// The same with three servers that hold the log together.
    ///
    /// # Errors
    /// When either fails.
    pub async fn start_three(rutter: &Path, dir: &Path) -> Result<Apart> {
        let mut apart = Apart::set_up(rutter, dir, &THREE_HOSTS)?;
        for host in THREE_HOSTS {
            apart.start_server(host).await?;
        }
        Ok(apart)
    }

    fn set_up(rutter: &Path, dir: &Path, hosts: &[&'static str]) -> Result<Apart> {
        fs::create_dir_all(dir)?;
        let (rutter, dir) = (rutter.canonicalize().context("the binary rutter")?, dir.canonicalize()?);
        let (port, routes) = (port::held()?, port::held()?);
        let mut setup = Command::new(&rutter);
        setup.args(["nats-setup", "--simulation", SIMULATION, "--max-store-gib", "64"]);
        for host in hosts {
            setup.args(["--name", host]);
        }
        setup.args(["--port", &port.to_string(), "--route-port", &routes.to_string(), "--dir"]).arg(&dir);
        let done = setup.stdout(Stdio::null()).status()?;
        ensure!(done.success(), "rutter nats-setup failed");
        let hosts = hosts.to_vec();
        hosts.iter().try_for_each(|host| keep_to_its_address(&server_files(&dir, host)))?;
        Ok(Apart { rutter, dir, hosts, port, running: BTreeMap::new(), metrics: BTreeMap::new() })
    }

    /// Starts nats-server where there is one, and waits until it listens.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn start_broker(&mut self) -> Result<()> {
        self.start_server_as(BROKER, self.hosts[0]).await
    }

    /// Starts one of three nats-servers, and waits until it listens.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn start_server(&mut self, host: &str) -> Result<()> {
        self.start_server_as(host, host).await
    }

    async fn start_server_as(&mut self, name: &str, host: &str) -> Result<()> {
        let mut command = Command::new(nats_server());
        command.arg("--config").arg(server_files(&self.dir, host));
        self.spawn(name, command)?;
        let address = SocketAddr::new(host.parse()?, self.port);
        until("nats-server listens", async || TcpStream::connect(address).is_ok()).await
    }

    /// Where a server listens for clients.
    #[must_use]
    pub fn server_url(&self, host: &str) -> String {
        format!("tls://{host}:{}", self.port)
    }

    /// What `rutter nats-setup` wrote, and all else.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts `rutter <service> <args>` as a process called `name`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn service(&mut self, name: &str, service: &str, args: &[&str]) -> Result<()> {
        let role =
            if service == "nodeagent" { format!("simulation-{SIMULATION}") } else { service.to_owned() };
        let mut command = Command::new(&self.rutter);
        command.arg(service).args(["--nats", &self.nats_url(), "--nats-ca"]).arg(self.dir.join("ca.crt"));
        command.arg("--nats-creds").arg(self.dir.join(format!("creds/{role}.creds")));
        command.arg("--key-file").arg(self.dir.join("cluster.key")).arg("--data").arg(self.data(name));
        // Plans that are refused are counted in what a service says.
        command.args(["--log", "info,async_nats=warn,rutter_runtime::plan=debug"]).args(args);
        command.env("RUTTER_TEST_FAULTS", "1");
        self.spawn(name, command)
    }

    /// Starts a ledger that answers for its metrics.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn ledger(&mut self, name: &str) -> Result<()> {
        let metrics = match self.metrics.get(name) {
            Some(address) => *address,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, port::held()?)),
        };
        self.metrics.insert(name.to_owned(), metrics);
        self.service(
            name,
            "ledger",
            &[
                "--name",
                name,
                "--replicas",
                &self.hosts.len().to_string(),
                "--max-log-gib",
                "32",
                "--metrics",
                &metrics.to_string(),
            ],
        )
    }

    /// Starts a gateway, and waits until its API answers.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn gateway(&mut self, name: &str) -> Result<Client> {
        let kubeconfig = self.dir.join(format!("{name}.kubeconfig"));
        let listen = format!("127.0.0.1:{}", port::held()?);
        let written = kubeconfig.display().to_string();
        self.service(name, "gateway", &["--listen", &listen, "--kubeconfig", &written])?;
        let answers = async || {
            let client = Client::open(Some(&kubeconfig))?;
            client.get::<serde_json::Value>("/api/v1/namespaces/default").await?;
            Ok(client)
        };
        eventually("the API answers", answers).await
    }

    /// A further connection to a gateway that was started.
    ///
    /// # Errors
    /// When there is none by that name.
    pub fn client(&self, gateway: &str) -> Result<Client> {
        Client::open(Some(&self.dir.join(format!("{gateway}.kubeconfig"))))
    }

    /// The directory of a process's data.
    #[must_use]
    pub fn data(&self, name: &str) -> PathBuf {
        self.dir.join("data").join(name)
    }

    /// What the broker keeps.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.dir.join("127.0.0.1/store")
    }

    /// Everything that a process has said.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn said(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.log(name)).with_context(|| format!("what {name} said"))
    }

    /// A command of the binary under test that reaches the broker as a ledger.
    #[must_use]
    pub fn ledger_command(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.rutter);
        command.arg("ledger").args(["--nats", &self.nats_url(), "--nats-ca"]).arg(self.dir.join("ca.crt"));
        command.arg("--nats-creds").arg(self.dir.join("creds/ledger.creds")).arg("--data").arg(data);
        command
    }

    /// One number of a process's metrics; none when it doesn't answer, or doesn't know it.
    #[must_use]
    pub fn metric(&self, name: &str, metric: &str) -> Option<u64> {
        let text = scrape(*self.metrics.get(name)?).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// The ledgers that take themselves for the active one, of those that answer.
    #[must_use]
    pub fn active_ledgers(&self) -> Vec<String> {
        let active = |name: &&String| self.metric(name, "rutter_ledger_active") == Some(1);
        self.metrics.keys().filter(active).cloned().collect()
    }

    /// Sends a signal to a process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let child = self.running.get(name).with_context(|| format!("{name} does not run"))?;
        Ok(kill(pid(child), signal)?)
    }

    /// Ends a process by a signal, and waits for its end.
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn end(&mut self, name: &str, signal: Signal) -> Result<()> {
        self.signal(name, signal)?;
        let mut child = self.running.remove(name).with_context(|| format!("{name} does not run"))?;
        until("a process ends", async || matches!(child.try_wait(), Ok(Some(_)))).await
    }

    /// Ends every process but the broker, in good order.
    ///
    /// # Errors
    /// When one doesn't end.
    pub async fn end_services(&mut self) -> Result<()> {
        let names: Vec<String> = self.running.keys().filter(|name| !is_broker(name)).cloned().collect();
        // Ledgers last: the others hand their last writes to them.
        let (ledgers, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| self.metrics.contains_key(name));
        for name in others.into_iter().chain(ledgers) {
            self.end(&name, Signal::SIGTERM).await?;
        }
        Ok(())
    }

    /// Fails when a process has ended that nobody ended.
    ///
    /// # Errors
    /// Which one, and the end of what it said.
    pub fn check_alive(&mut self) -> Result<()> {
        let mut ended = Vec::new();
        for (name, child) in &mut self.running {
            if let Some(status) = child.try_wait()? {
                ended.push(format!("{name} ended with {status}"));
            }
        }
        ensure!(ended.is_empty(), "{}; see {}", ended.join(", "), self.dir.join("log").display());
        Ok(())
    }

    fn nats_url(&self) -> String {
        let urls: Vec<String> = self.hosts.iter().map(|host| self.server_url(host)).collect();
        urls.join(",")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(name)
    }

    fn spawn(&mut self, name: &str, mut command: Command) -> Result<()> {
        if self.running.contains_key(name) {
            bail!("{name} runs already");
        }
        fs::create_dir_all(self.dir.join("log"))?;
        let log = File::options().create(true).append(true).open(self.log(name))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.running.insert(name.to_owned(), child.with_context(|| format!("{name} can't be started"))?);
        Ok(())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // One that has ended on its own is what this wants.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn is_broker(name: &str) -> bool {
    name == BROKER || THREE_HOSTS.contains(&name)
}

fn server_files(dir: &Path, host: &str) -> PathBuf {
    dir.join(host).join("nats-server.conf")
}

/// Servers of one machine share their ports, and must not share their addresses.
fn keep_to_its_address(config: &Path) -> Result<()> {
    let host = config.parent().and_then(Path::file_name).context("a server has a directory")?;
    let text = fs::read_to_string(config)?.replace("0.0.0.0:", &format!("{}:", host.to_string_lossy()));
    Ok(fs::write(config, text)?)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"))
}

/// `/metrics` over a connection of its own.
fn scrape(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, SCRAPE)?;
    stream.set_read_timeout(Some(SCRAPE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
