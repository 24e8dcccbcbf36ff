//! The faults stop: everything has to come to a good end.

use super::*;

impl World {
    /// The faults stop. One ledger leads; every client gets an answer; all ledgers come to know the same.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        for _ in 0..50 {
            self.settle_down()?;
        }
        let leader = self.lead()?;
        for client in 0..self.clients.len() {
            if self.clients[client].outcome.is_none() {
                self.send(leader, client)?;
            }
        }
        for _ in 0..20 {
            self.settle_down()?;
        }
        if let Some(client) = self.clients.iter().find(|client| client.outcome.is_none()) {
            return Err(format!("{} was never answered", client.draft.name));
        }
        self.check_equal()
    }

    pub(super) fn lead(&mut self) -> Result<usize, String> {
        for _ in 0..50 {
            if let Some(leader) =
                self.ledgers.iter().position(|ledger| ledger.sequencer.role() == Role::Active)
            {
                return Ok(leader);
            }
            self.catch_up(0)?;
            self.take_over(0)?;
            self.settle_down()?;
        }
        Err("nobody leads though all is well".into())
    }

    /// Delivers everything that is on its way, once.
    pub(super) fn settle_down(&mut self) -> Result<(), String> {
        self.now += SignedDuration::from_millis(100);
        self.stream.resolve(true);
        self.check_written()?;
        while !self.appends.is_empty() {
            let (ledger, append) = self.appends.remove(0);
            let reply = self.stream.append(append.expected_last, append.bytes, &mut Dice(1));
            self.stream.resolve(true);
            self.check_written()?;
            if let Some(reply) = reply {
                self.replies.push((ledger, append.frame, reply));
            }
        }
        while !self.replies.is_empty() {
            self.deliver_reply()?;
        }
        for ledger in 0..self.ledgers.len() {
            self.time_out(ledger)?;
            while self.ledgers[ledger].read.is_some() {
                self.read(ledger)?;
            }
            self.catch_up(ledger)?;
            while self.ledgers[ledger].proof.is_some() {
                self.prove(ledger)?;
            }
            self.drive(ledger)?;
        }
        Ok(())
    }

    pub(super) fn catch_up(&mut self, ledger: usize) -> Result<(), String> {
        while self.ledgers[ledger].fed < self.stream.last() {
            self.feed(ledger)?;
        }
        Ok(())
    }
}
