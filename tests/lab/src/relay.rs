//! A slow or lossy piece of cable: hands frames from one interface to another, late.
//!
//! It stands where a kernel's own means would (`tc netem`), which many kernels lack. It runs
//! as a process of its own in a fleet's namespace, until it is ended; its two interfaces go
//! with it. What it loses and how much it varies is the same in every run.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tappers::{Interface, Tap};

use crate::clock;
use crate::fleet::Disturbance;

/// Larger than any frame that an interface can be made to carry.
const LONGEST_FRAME: usize = 1 << 16;

/// A frame, and when it is to arrive.
type Late = (Instant, Vec<u8>);

/// Makes the two interfaces and hands frames between them for as long as the process lives.
pub fn run(near: &str, far: &str, disturbance: Disturbance) -> io::Result<()> {
    let make = |name: &str| {
        let mut tap = Tap::new_named(Interface::new(name)?)?;
        tap.set_up()?;
        Ok::<_, io::Error>(Arc::new(tap))
    };
    let (near, far) = (make(near)?, make(far)?);
    let there = carry(&near, &far, Dice::new(1), disturbance);
    let back = carry(&far, &near, Dice::new(2), disturbance);
    for reader in [there, back] {
        reader
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread has panicked")))?;
    }
    Ok(())
}

fn carry(
    from: &Arc<Tap>,
    to: &Arc<Tap>,
    dice: Dice,
    disturbance: Disturbance,
) -> std::thread::JoinHandle<io::Result<()>> {
    let (sender, receiver) = channel();
    let (from, to) = (Arc::clone(from), Arc::clone(to));
    std::thread::spawn(move || deliver(&to, &receiver));
    std::thread::spawn(move || collect(&from, &sender, dice, disturbance))
}

fn collect(
    from: &Tap,
    to: &Sender<Late>,
    mut dice: Dice,
    disturbance: Disturbance,
) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST_FRAME];
    let mut last = clock::now();
    loop {
        let length = from.recv(&mut buffer)?;
        if dice.percent() < disturbance.loss_percent {
            continue;
        }
        let frame = buffer.get(..length).unwrap_or_default().to_vec();
        let due = clock::now() + disturbance.delay + dice.part_of(disturbance.jitter);
        // A cable delivers in order.
        last = last.max(due);
        if to.send((last, frame)).is_err() {
            return Ok(());
        }
    }
}

fn deliver(to: &Tap, frames: &Receiver<Late>) {
    for (due, frame) in frames {
        clock::pause(due.saturating_duration_since(clock::now()));
        // An interface that is down takes nothing, like a cable that is not plugged in.
        let _lost = to.send(&frame);
    }
}

/// Numbers that look like chance and are the same in every run (Marsaglia's xorshift).
#[derive(Debug)]
struct Dice {
    state: u64,
}

impl Dice {
    fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 11
    }

    fn percent(&mut self) -> u8 {
        u8::try_from(self.next() % 100).unwrap_or_default()
    }

    fn part_of(&mut self, whole: Duration) -> Duration {
        whole * u32::from(self.percent()) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_even_and_the_same_each_time() {
        let mut dice = Dice::new(1);
        let rolls: Vec<_> = (0..10_000).map(|_| dice.percent()).collect();
        let below = rolls.iter().filter(|roll| **roll < 30).count();
        assert!((2_800..3_200).contains(&below), "{below} of 10,000");
        let mut again = Dice::new(1);
        assert!(rolls.iter().all(|roll| *roll == again.percent()));
        assert_ne!(Dice::new(2).next(), Dice::new(1).next());
    }

    #[test]
    fn jitter_stays_within_its_measure() {
        let mut dice = Dice::new(3);
        let whole = Duration::from_millis(100);
        assert!((0..1_000).all(|_| dice.part_of(whole) < whole));
    }
}
