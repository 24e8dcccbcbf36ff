//! Which of the nodes that will do is best: the emptiest, the most evenly used, the one with the fewest pods of the
//! same owner. All in whole numbers, so that every machine comes to the same.

use crate::shape::Shape;
use crate::view::{Node, Taken};

/// How much spreading an owner's pods counts beside one of the other two (upstream's weight of topology spreading).
const SPREAD_WEIGHT: i64 = 2;

/// From 0, the worst, to 400. `family` is how many pods of the same owner the node has, `most` the greatest such
/// number among the nodes compared.
pub(crate) fn score(shape: &Shape, node: &Node, taken: &Taken, family: u32, most: u32) -> i64 {
    let cpu = used_permille(taken.weight.0 + shape.weight.0, node.allocatable.cpu_millis);
    let memory = used_permille(taken.weight.1 + shape.weight.1, node.allocatable.memory_bytes);
    emptiness(cpu, memory) + evenness(cpu, memory) + SPREAD_WEIGHT * spread(family, most)
}

/// The share that would be used, in thousandths. Of what a node doesn't have, all is used.
fn used_permille(used: i64, has: i64) -> i64 {
    if has <= 0 {
        return 1000;
    }
    i64::try_from(i128::from(used) * 1000 / i128::from(has)).unwrap_or(1000).clamp(0, 1000)
}

/// Upstream's `LeastAllocated`.
fn emptiness(cpu: i64, memory: i64) -> i64 {
    ((1000 - cpu) + (1000 - memory)) / 20
}

/// Upstream's `BalancedAllocation`: 100 less the standard deviation of the two shares.
fn evenness(cpu: i64, memory: i64) -> i64 {
    100 - (cpu - memory).abs() / 20
}

fn spread(family: u32, most: u32) -> i64 {
    if most == 0 { 100 } else { 100 * i64::from(most - family.min(most)) / i64::from(most) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_node_is_better_than_a_lopsided_one_and_an_empty_one_than_both() {
        assert!(emptiness(100, 100) + evenness(100, 100) > emptiness(0, 400) + evenness(0, 400));
        assert!(emptiness(0, 0) > emptiness(100, 100));
    }

    #[test]
    fn a_node_without_pods_of_the_owner_is_best() {
        assert_eq!((spread(0, 3), spread(3, 3), spread(0, 0)), (100, 0, 100));
    }
}
