//! The clusters of one configuration, and a worker's view of them.
//!
//! Owns the list of clusters with its index by name, and each worker's lazily made part of each. A new configuration is
//! a new snapshot; a worker takes over its parts of those clusters that stayed the same. Does not own routes and
//! listeners, which refer to clusters by their place here or by name.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::cluster::{Cluster, WorkerCluster};
use crate::random::thread_random;

/// The clusters of one configuration.
#[derive(Debug, Default)]
pub struct Snapshot {
    clusters: Vec<Arc<Cluster>>,
    by_name: HashMap<Arc<str>, u32>,
}

impl Snapshot {
    /// With these clusters; their places are their slots.
    ///
    /// # Errors
    /// Two clusters have the same name.
    pub fn new(clusters: Vec<Arc<Cluster>>) -> Result<Self, String> {
        let mut by_name = HashMap::with_capacity(clusters.len());
        for (slot, cluster) in (0..).zip(&clusters) {
            if by_name.insert(Arc::clone(&cluster.name), slot).is_some() {
                return Err(format!("there are two clusters '{}'", cluster.name));
            }
        }
        Ok(Snapshot { clusters, by_name })
    }

    /// The place of the cluster with this name.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// All clusters, in the order of their slots.
    #[must_use]
    pub fn clusters(&self) -> &[Arc<Cluster>] {
        &self.clusters
    }

    /// The cluster with this name.
    #[must_use]
    pub fn cluster_by_name(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(usize::try_from(self.slot(name)?).ok()?)
    }
}

/// A worker's part of a cluster, once there is one.
#[derive(Debug, Default)]
struct Slot {
    part: OnceCell<Rc<WorkerCluster>>,
    /// Whether a later snapshot has it too.
    taken_over: Cell<bool>,
}

/// A snapshot as one worker uses it. Does not leave its thread.
#[derive(Debug)]
pub struct WorkerSnapshot {
    snapshot: Arc<Snapshot>,
    worker: usize,
    slots: Box<[Slot]>,
    started: RefCell<Vec<u32>>,
}

impl WorkerSnapshot {
    /// The view of `worker`, which must be the calling thread.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, worker: usize) -> Self {
        let slots = snapshot.clusters.iter().map(|_| Slot::default()).collect();
        WorkerSnapshot { snapshot, worker, slots, started: RefCell::default() }
    }

    /// The view of a later snapshot. It takes over the clusters that stayed the same, with their connections; the others
    /// drain, which requests that are under way do not notice.
    #[must_use]
    pub fn next(&self, snapshot: Arc<Snapshot>) -> Self {
        let next = WorkerSnapshot::new(snapshot, self.worker);
        for slot in self.started_slots() {
            let Some(part) = slot.part.get() else { continue };
            let place = next.snapshot.slot(&part.cluster.name);
            let same = |place: &u32| {
                next.snapshot.clusters.get(index(*place)).is_some_and(|of| Arc::ptr_eq(of, &part.cluster))
            };
            match place.filter(same) {
                Some(place) if !slot.taken_over.get() => {
                    slot.taken_over.set(true);
                    let there = next.slots.get(index(place));
                    there.map(|there| there.part.get_or_init(|| Rc::clone(part)));
                    next.started.borrow_mut().push(place);
                }
                _ => part.drain(),
            }
        }
        next
    }

    /// What this is a view of.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The cluster at a slot of this snapshot, made now if it was not used before.
    #[inline]
    #[must_use]
    pub fn cluster(&self, slot: u32) -> Option<&Rc<WorkerCluster>> {
        let part = &self.slots.get(index(slot))?.part;
        part.get().or_else(|| self.start(slot))
    }

    #[cold]
    fn start(&self, slot: u32) -> Option<&Rc<WorkerCluster>> {
        let cluster = self.snapshot.clusters.get(index(slot))?;
        let part = &self.slots.get(index(slot))?.part;
        self.started.borrow_mut().push(slot);
        Some(part.get_or_init(|| Rc::new(WorkerCluster::new(cluster, self.worker, thread_random()))))
    }

    /// The cluster with this name, made now if it was not used before.
    #[must_use]
    pub fn cluster_by_name(&self, name: &str) -> Option<&Rc<WorkerCluster>> {
        self.cluster(self.snapshot.slot(name)?)
    }

    /// The clusters that this worker has used, in the order of their first use.
    pub fn started(&self) -> impl Iterator<Item = Rc<WorkerCluster>> {
        self.started_slots().filter_map(|slot| slot.part.get()).map(Rc::clone)
    }

    fn started_slots(&self) -> impl Iterator<Item = &Slot> {
        let started = self.started.borrow().clone();
        started.into_iter().filter_map(|slot| self.slots.get(index(slot)))
    }

    /// Closes connections that are idle for too long, too old, or closed by the peer; about once a second.
    pub fn sweep(&self, now: Instant) {
        self.started_slots().filter_map(|slot| slot.part.get()).for_each(|cluster| cluster.sweep(now));
    }

    /// Closes all idle connections.
    pub fn close_idle(&self) {
        self.started_slots().filter_map(|slot| slot.part.get()).for_each(|cluster| cluster.close_idle());
    }
}

impl Drop for WorkerSnapshot {
    /// Idle connections refer to their cluster, and would live on without it.
    fn drop(&mut self) {
        for slot in self.started_slots().filter(|slot| !slot.taken_over.get()) {
            if let Some(part) = slot.part.get() {
                part.drain();
            }
        }
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::{cluster, registry};
    use crate::stats::ClusterStat;

    #[test]
    fn clusters_are_found_by_name_and_slot_and_made_once() {
        let registry = registry(1);
        let clusters = ["a", "b"].map(|name| Arc::new(cluster(name, &[], &registry))).to_vec();
        let view = WorkerSnapshot::new(Arc::new(Snapshot::new(clusters).unwrap()), 0);
        assert_eq!(view.started().count(), 0);
        let first = Rc::clone(view.cluster_by_name("b").unwrap());
        assert!(Rc::ptr_eq(&first, view.cluster(1).unwrap()));
        assert_eq!(view.started().count(), 1);
        assert!(view.cluster_by_name("c").is_none() && view.cluster(2).is_none());
    }

    #[test]
    fn names_are_unique() {
        let registry = registry(1);
        let clusters = ["a", "a"].map(|name| Arc::new(cluster(name, &[], &registry))).to_vec();
        assert_eq!(Snapshot::new(clusters).unwrap_err(), "there are two clusters 'a'");
    }

    #[test]
    fn what_stayed_the_same_is_taken_over_and_the_rest_drains() {
        let registry = registry(1);
        let [a, b] = ["a", "b"].map(|name| Arc::new(cluster(name, &[], &registry)));
        let before = WorkerSnapshot::new(Arc::new(Snapshot::new(vec![a, Arc::clone(&b)]).unwrap()), 0);
        let [old_a, old_b] = [0, 1].map(|slot| Rc::clone(before.cluster(slot).unwrap()));
        let changed = Arc::new(cluster("a", &[], &registry));
        let after = before.next(Arc::new(Snapshot::new(vec![b, changed]).unwrap()));
        drop(before);
        assert!(Rc::ptr_eq(after.cluster_by_name("b").unwrap(), &old_b) && !old_b.is_draining());
        assert!(!Rc::ptr_eq(after.cluster_by_name("a").unwrap(), &old_a) && old_a.is_draining());
    }

    #[test]
    fn ten_thousand_clusters_cost_little_until_used() {
        let registry = registry(2);
        let name = |at: usize| format!("cluster_{at}");
        let clusters =
            (0..10_000).map(|at| Arc::new(cluster(&name(at), &["127.0.0.1:1"], &registry))).collect();
        let snapshot = Arc::new(Snapshot::new(clusters).unwrap());
        let view = WorkerSnapshot::new(Arc::clone(&snapshot), 0);
        assert!(std::mem::size_of::<Slot>() <= 16 && std::mem::size_of::<Cluster>() <= 520);
        assert!(view.cluster_by_name("cluster_9999").unwrap().choose_host().is_some());
        assert_eq!(view.started().count(), 1);
        let other = snapshot.cluster_by_name("cluster_1").unwrap();
        assert_eq!(other.stats.value(ClusterStat::MembershipHealthy), 1);
    }
}
