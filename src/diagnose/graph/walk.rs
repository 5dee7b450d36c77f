//! Ways through the graph: each costs what it passes, however much else there is.

use super::{Graph, Spot};

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::diagnose) enum Way {
    /// To what is waited for.
    Down,
    /// To what waits.
    Up,
}

/// Walks one graph again and again.
#[derive(Debug)]
pub(in crate::diagnose) struct Walker<'g> {
    graph: &'g Graph,
    /// The last walk that passed each spot.
    passed: Vec<u32>,
    walk: u32,
}

impl<'g> Walker<'g> {
    pub(in crate::diagnose) fn new(graph: &'g Graph) -> Self {
        Self { graph, passed: vec![0; graph.vertices.len()], walk: 0 }
    }

    /// All that can be reached from there, those spots first; nothing beyond those where the walk stops.
    pub(in crate::diagnose) fn reach(
        &mut self,
        from: impl IntoIterator<Item = Spot>,
        way: Way,
        stops: impl Fn(Spot) -> bool,
    ) -> Vec<Spot> {
        self.walk += 1;
        let mut reached = Vec::new();
        for spot in from {
            self.pass(spot, &mut reached);
        }
        let mut next = 0;
        while let Some(spot) = reached.get(next).copied() {
            next += 1;
            if stops(spot) {
                continue;
            }
            let onwards = match way {
                Way::Down => &self.graph.below,
                Way::Up => &self.graph.above,
            };
            for spot in &onwards[spot.0] {
                self.pass(*spot, &mut reached);
            }
        }
        reached
    }

    /// Whether the last walk came by there.
    pub(in crate::diagnose) fn passed(&self, spot: Spot) -> bool {
        self.passed[spot.0] == self.walk
    }

    fn pass(&mut self, spot: Spot, reached: &mut Vec<Spot>) {
        if !self.passed(spot) {
            self.passed[spot.0] = self.walk;
            reached.push(spot);
        }
    }
}
