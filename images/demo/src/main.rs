//! A small server to try a cluster with. It stands alone in its image, so it brings the few tools that a shell would.

mod api;
mod dns;
mod http;
mod server;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
demo: a small server to try a cluster with

  demo                 serve on $PORT (8080)
  demo get URL         print what a URL answers
  demo api PATH [HOST] print what the cluster's API answers to this pod's account
  demo hostname        print the host's name
  demo env NAME        print a variable of the environment
  demo resolve NAME    print a name's address
  demo cat [FILE]      copy a file, or stdin, to stdout
  demo echo WORD...    print words
  demo lines COUNT     print numbered lines
  demo write FILE TEXT write a file
  demo sleep SECONDS   do nothing for a while
  demo exit CODE [WORD...]  print words, leave them as last words, end with this code

The server answers / with its host's name and $GREETING, /healthz with ok, /burn?ms=N after N ms of work,
/env with its environment, and ends itself at /quit and at /exit?code=N.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] | ["serve"] => server::serve(),
        ["get", url] => tools::get(url),
        ["api", path] => tools::api(path, None),
        ["api", path, host] => tools::api(path, Some(host)),
        ["hostname"] => tools::hostname(),
        ["env", name] => tools::env(name),
        ["resolve", name] => tools::resolve(name),
        ["echo", ..] => tools::echo(&words[1..]),
        ["lines", count] => tools::lines(count),
        ["cat"] => tools::cat(None),
        ["cat", file] => tools::cat(Some(file)),
        ["write", file, text] => std::fs::write(file, text).map_err(|error| format!("{file}: {error}")),
        ["sleep", seconds] => tools::sleep(seconds),
        ["exit", code, ..] => return tools::exit(code, &words[2..]),
        _ => Err(HELP.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
