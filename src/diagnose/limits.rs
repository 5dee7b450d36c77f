//! How long things may take before they count as a block, each with its argument.

use std::time::Duration;

/// A budget that is used up gets a place again as soon as a replacement is Ready: an ordinary pod takes less than this,
/// and it leaves 15 seconds to the minute within which people want to know.
pub const QUIET_BUDGET: Duration = Duration::from_secs(45);

/// The controller writes a budget's status within a second or two; 30 forgive one that is busy or restarts.
pub const BEHIND: Duration = Duration::from_secs(30);

/// How long the disruption controller itself believes in an accepted eviction (`DeletionTimeout`, 2 minutes), and ten
/// seconds for it to look again.
pub const DISRUPTED: Duration = Duration::from_secs(130);

/// What the kubelet may take beyond the grace period to say that it is done; the drain allows the same.
pub const OVERDUE: Duration = Duration::from_secs(10);

/// Drain cleaners take a denied eviction as a sign and let the pod go after some seconds, and a webhook whose only pod
/// moves is back within as many; it is asked again every ten seconds, so three answers have said no by then.
pub const ADMISSION: Duration = Duration::from_secs(30);

/// The API server drains a queue within a minute, for none of its requests may take longer, and a control plane that AWS
/// replaces or makes larger answers again within a few; five of nothing else leave ten to the quarter of an hour that a
/// node is given.
pub const API_BUSY: Duration = Duration::from_mins(5);

/// A namespace with ordinary pods is empty after their grace of 30 seconds; what is there after that is kept.
pub const NAMESPACE: Duration = Duration::from_secs(45);

/// So many evictions are tried at most by somebody who only looks: each is a request, and one webhook, namespace or
/// right keeps many pods alike.
pub const TRIES: usize = 200;

/// So many of the server's refusals are told word for word: they differ in the names of the pods.
pub const WORDS: usize = 2;

/// The scheduler may bind what it saw before the cordon a moment after it.
pub const CORDON_SEEN: Duration = Duration::from_secs(5);

/// So many pods that came back are a loop and no accident.
pub const LAND_BACKS: usize = 2;

/// A pod that runs becomes Ready within this at least; twice what the slowest of its siblings took is given too.
pub const PROBE: Duration = Duration::from_secs(45);

/// A sibling that was not Ready in between shows a time that no start takes: nobody waits longer than this for a start.
pub const PROBE_MOST: Duration = Duration::from_mins(5);

/// A pod that no node takes waits so long for the next one to have room: what moves in a cluster does so within seconds.
pub const PENDING: Duration = Duration::from_secs(45);

/// A volume is unmounted and detached within seconds once its pod has ended; by force only after six minutes.
pub const ATTACH: Duration = Duration::from_secs(30);

/// An image of some gigabytes and a volume take minutes; after ten something else is the matter.
pub const CREATING: Duration = Duration::from_mins(10);

/// A budget of a fixed number counts the pods that exist: while one is replaced under its own name, it looks for a moment
/// as if none could ever leave.
pub const SETTLES: Duration = Duration::from_secs(10);

/// Most pods with a long grace period stop within seconds; one that has not by now is at its work.
pub const STOPS_EARLY: Duration = Duration::from_secs(45);

/// Each round of questions follows from the answers to the one before: pods, their budgets, those pods, their claims, the
/// volumes, the nodes.
pub const ROUNDS: usize = 6;

/// A pod that nothing holds leaves within seconds; one for which that is not so for this long is told within the minute.
pub const UNEXPLAINED: Duration = Duration::from_secs(45);

/// A kubelet that restarts is back sooner, and so is a node that is short of something for a moment; the node controller
/// itself waits 40 seconds for a word (50 in newer versions) before it says anything.
pub const NODE_FLAPS: Duration = Duration::from_secs(45);

/// A new node gets its network after its kubelet, and until then it is not Ready and carries taints of the start; a minute
/// is twice what that takes.
pub const FRESH_NODE: Duration = Duration::from_mins(1);

/// A run waits for its youngest nodes: those before them served before it went on. So many are looked at by somebody else.
pub const NEW_NODES: usize = 50;

/// A device plugin looks for driver and device when it starts; a driver that is compiled first takes minutes.
pub const RESOURCES: Duration = Duration::from_mins(3);

/// The cloud's node controller looks at instances every few seconds; a minute forgives one that is throttled.
pub const NODE_OUTLIVES: Duration = Duration::from_mins(1);

/// From an instance in service to its Node, as a matter of course: boot and bootstrap of a Linux AMI.
pub const JOINS: Duration = Duration::from_mins(1);

/// Boot, bootstrap and user data of one's own take up to two minutes; a node that comes within them is no news, and every
/// healthy run has such.
pub const JOINS_LATE: Duration = Duration::from_mins(2);

/// What no Linux node needs to join; it leaves twelve of the fifteen minutes that a replacement is given.
pub const NEVER_JOINED: Duration = Duration::from_mins(3);

/// Windows takes ten minutes and more to boot, and EKS itself gives up after fifteen.
pub const NEVER_JOINED_WINDOWS: Duration = Duration::from_mins(15);

/// Whoever answers a hook at launch registers or configures something; what takes longer than this eats up the quarter of
/// an hour that a replacement is given.
pub const HOOK_AT_LAUNCH: Duration = Duration::from_mins(5);

/// Behind its own hook EKS drains a node for at most so long.
pub const HOOK_AT_TERMINATION: Duration = Duration::from_mins(15);

/// One instance that is lost before it serves is an accident, two that came for the same place are not.
pub const LOSSES: u32 = 2;
/// So many questions go out at once: what holds two hundred pods takes about two for each, and an API server answers that
/// many reads of single objects within seconds. What is left is asked with the next round.
pub const ASKS: usize = 500;

/// A pod that is made for this long has been seen by its kubelet, which by then has said what is in its way.
pub const SPEAKS: Duration = Duration::from_secs(10);

/// A new node's network agent may refuse the first pods; the kubelet tries again every few seconds, and what it still says
/// after this long is no beginning.
pub const SANDBOX: Duration = Duration::from_secs(30);

/// Older events explain nothing that is so now: the kubelet repeats what still holds at least every five minutes.
pub const EVENT_AGE: Duration = Duration::from_mins(10);

/// A group tries its other zones at once, and all of them again within seconds: what fails for longer than this fails
/// everywhere.
pub const LAUNCH_TRIED: Duration = Duration::from_secs(30);

/// Capacity, quotas, addresses and prices come free again when somebody else's instance ends: two tries half a minute and
/// more apart have to fail.
pub const LAUNCH_PASSES: Duration = Duration::from_secs(75);

/// Failures that lie further apart than this are not of one series: the group tries again every few minutes at most.
pub const LAUNCH_SERIES: Duration = Duration::from_mins(30);

/// Auto Scaling compares its sizes every few seconds, and begins a launch at once.
pub const LAUNCH_SILENT: Duration = Duration::from_secs(45);

/// Scaling activities are read for the last hours only: what happened before is not seen in them.
pub const ACTIVITIES_KNOWN: Duration = Duration::from_hours(6);

/// EKS enlarges a group as soon as it has made the new template version, minutes after an update began; whoever changes
/// its sizes later is somebody else.
pub const EKS_ENLARGES: Duration = Duration::from_mins(15);
