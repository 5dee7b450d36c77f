//! What moves on a terminal: a bar for the run, a line for each node in flight, and what it waits for.

use console::measure_text_width;
use jiff::Timestamp;

use super::{
    codes, fit,
    in_flight::{InFlight, Stage},
    paint::{Paint, Tone},
    progress::Progress,
    told, wording,
};
use crate::{
    domain::{Zone, elapsed, short},
    engine::waiting::WaitingOn,
};

/// Lines that a wait may take: a sentence of Auto Scaling's fits at 80 columns.
const WAIT_LINES: usize = 4;

/// Waits that a node shows.
const WAITS: usize = 3;

/// Draws the run at this moment, in no more lines than `height`.
pub(super) fn draw(progress: &Progress, now: Timestamp, width: usize, height: usize, paint: Paint) -> Vec<String> {
    let mut lines = vec![run(progress, now, width, paint)];
    let room = height.saturating_sub(lines.len() + 1).max(1);
    let shown = if progress.in_flight.len() > room { room - 1 } else { progress.in_flight.len() };
    // Every node gets its line before one of them gets the room to explain itself.
    let mut room_to_explain = room - shown;
    let columns = Columns::of(progress);
    for (index, flight) in progress.in_flight[..shown].iter().enumerate() {
        // A share for each, and what the others do not need; a first line is worth more than another's last.
        let share = (room_to_explain / (shown - index)).max(room_to_explain.min(2));
        let (line, said) = node(flight, progress, now, (width, share), &columns, paint);
        let waits = waits(flight, said, progress, now, (width, share), paint);
        room_to_explain -= waits.len();
        lines.push(line);
        lines.extend(waits);
    }
    if let more @ 1.. = progress.in_flight.len() - shown {
        lines.push(format!("  +{more} more in flight"));
    }
    if progress.stopping {
        lines.push(paint.tone(Tone::Warn, "  stopping; no more nodes are chosen. Ctrl-C again leaves at once"));
    } else if progress.in_flight.is_empty() {
        let on: Vec<_> = progress.waiting.values().flat_map(|waiting| waiting.on.clone()).collect();
        lines.extend(explained(&on, progress, now, (width, 2, room), paint));
    }
    lines
}

/// Widths that keep the nodes' lines aligned.
struct Columns {
    name: usize,
    zone: usize,
}

impl Columns {
    fn of(progress: &Progress) -> Self {
        let widest = |text: fn(&InFlight, &Progress) -> usize| {
            progress.in_flight.iter().map(|flight| text(flight, progress)).max().unwrap_or(0)
        };
        Self {
            name: widest(|flight, progress| told::called(&flight.member, &progress.names).chars().count()),
            zone: widest(|flight, _| zone(&flight.member.zone).chars().count()),
        }
    }
}

fn run(progress: &Progress, now: Timestamp, width: usize, paint: Paint) -> String {
    if progress.undoing {
        return fit::cut(&format!("undoing   {}", short(progress.elapsed(now))), width);
    }
    let nodes = wording::count(progress.total, "node");
    let mut facts = vec![format!("{} of {nodes}", progress.done), short(progress.elapsed(now))];
    if let Some(remaining) = progress.remaining(now) {
        facts.push(format!("about {} left", rounded(remaining)));
    }
    let text = facts.join("   ");
    let room = width.saturating_sub(text.chars().count() + 2).clamp(8, 40);
    let total = progress.total.max(1) as usize;
    let full = room * progress.done as usize / total;
    let head = if full == 0 || full == room { "" } else { "╸" };
    let done = format!("{}{head}", "━".repeat(full - head.chars().count()));
    let rest = "─".repeat(room - full);
    fit::cut(&format!("{}{}  {text}", paint.tone(Tone::Good, &done), paint.dim(&rest)), width)
}

/// An estimate to the second would promise what nobody knows.
fn rounded(span: std::time::Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{}s", seconds.div_ceil(10) * 10),
        seconds => short(std::time::Duration::from_secs(seconds.div_ceil(60) * 60)),
    }
}

/// The node's line, and whether it says all that the node does: what does not fit is told below it where there is room.
fn node(
    flight: &InFlight,
    progress: &Progress,
    now: Timestamp,
    (width, below): (usize, usize),
    columns: &Columns,
    paint: Paint,
) -> (String, bool) {
    let name = told::called(&flight.member, &progress.names);
    // Padded before it is coloured: escape codes have no width.
    let padded = paint.bold(&format!("{name:<0$}", columns.name));
    let zone = format!("{:<1$}", zone(&flight.member.zone), columns.zone);
    let stage = flight.stage.name();
    let (doing, clock) = (doing(flight, progress, now), clock(flight, now));
    let room = width.saturating_sub(measure_text_width(&clock) + 2);
    let whole = format!("  {padded}  {zone}  {stage:<11}  {doing}").trim_end().to_owned();
    if measure_text_width(&whole) <= room {
        return (fit::ends(&whole, &clock, width), true);
    }
    if below > 0 && stands_alone(flight) {
        return (fit::ends(&format!("  {padded}  {zone}  {stage}"), &clock, width), false);
    }
    // What it does is worth more than where it is and the phase, which that tells by itself.
    (fit::ends(&format!("  {}  {doing}", paint.bold(name)), &clock, width), true)
}

/// Whether what goes on there is a wait, which can be told on a line of its own.
fn stands_alone(flight: &InFlight) -> bool {
    flight.stage != Stage::Draining && quiet(flight).is_some()
}

/// What it waits for although nothing stands in the way.
fn quiet(flight: &InFlight) -> Option<&WaitingOn> {
    flight.waiting.iter().flat_map(|waiting| &waiting.on).find(|on| !wording::blocks(on))
}

/// What goes on at the node, where that takes no more than a few words.
fn doing(flight: &InFlight, progress: &Progress, now: Timestamp) -> String {
    match (flight.stage, flight.pods_left) {
        // Where none was seen to leave, nobody knows how many there were.
        (Stage::Draining, Some(left)) if flight.pods_gone == 0 => format!("{} left", wording::count(left, "pod")),
        (Stage::Draining, Some(left)) => format!("{left} of {} pods left", left + flight.pods_gone),
        (Stage::Draining, None) => match flight.pods_gone {
            0 => String::new(),
            gone => format!("{} gone", wording::count(gone, "pod")),
        },
        (Stage::Settling | Stage::Cordoning | Stage::Terminating | Stage::Replacing | Stage::Stuck, _) => {
            match quiet(flight) {
                // The clock at the end of the line says how long.
                Some(WaitingOn::LoadBalancers { .. }) => "load balancers let go".to_owned(),
                Some(on) => wording::cause(on, &progress.names, now),
                None => String::new(),
            }
        }
    }
}

fn clock(flight: &InFlight, now: Timestamp) -> String {
    let since = flight.since;
    let passed = short(elapsed(since, now));
    match flight.until() {
        // It began this moment, as far as is known: what nobody has seen pass is not counted.
        _ if since >= now => String::new(),
        Some(until) if until > now => format!("{passed} of {}", short(elapsed(since, until))),
        Some(_) | None => passed,
    }
}

/// What stands in its way, and where its own line has not said it, what it waits for.
fn waits(
    flight: &InFlight,
    said: bool,
    progress: &Progress,
    now: Timestamp,
    (width, room): (usize, usize),
    paint: Paint,
) -> Vec<String> {
    let unsaid = quiet(flight).filter(|_| !said);
    let blocking = flight.waiting.iter().flat_map(|waiting| &waiting.on).filter(|on| wording::blocks(on));
    let on: Vec<_> = blocking.chain(unsaid).cloned().collect();
    explained(&on, progress, now, (width, 4, room), paint)
}

fn explained(
    on: &[WaitingOn],
    progress: &Progress,
    now: Timestamp,
    (width, indent, room): (usize, usize, usize),
    paint: Paint,
) -> Vec<String> {
    let mut lines = Vec::new();
    for on in on.iter().take(WAITS) {
        let room = room - lines.len();
        if room == 0 {
            return lines;
        }
        let cause = wording::cause(on, &progress.names, now);
        let found = codes::with_codes(progress.diagnosis.as_ref(), on, cause.clone(), &progress.names);
        let text = if found == cause { format!("waits for {cause}") } else { found };
        let tone = if wording::blocks(on) { Tone::Warn } else { Tone::Plain };
        let wrapped = fit::wrap(&text, width.saturating_sub(indent), WAIT_LINES.min(room));
        lines.extend(wrapped.into_iter().map(|line| format!("{}{}", " ".repeat(indent), paint.tone(tone, &line))));
    }
    if let more @ 1.. = on.len().saturating_sub(WAITS)
        && lines.len() < room
    {
        lines.push(format!(
            "{}and {}",
            " ".repeat(indent),
            wording::count(u32::try_from(more).unwrap_or(u32::MAX), "more cause")
        ));
    }
    lines
}

/// `1b` of `eu-west-1b`: the region is the same for all.
fn zone(zone: &Zone) -> &str {
    zone.as_str().rsplit('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::{
        engine::event::Event,
        report::fixtures::{Tale, at, blocked, member},
    };

    fn screen(tale: &Tale, seconds: u64, width: usize, height: usize) -> String {
        let lines = draw(&Progress::of(&tale.0), at(seconds), width, height, Paint(false));
        for line in &lines {
            assert!(console::measure_text_width(line) <= width, "{line}");
        }
        lines.join("\n")
    }

    #[test]
    fn eighty_columns_hold_a_blocked_node() {
        assert_snapshot!(screen(&blocked(), 452, 80, 24), @"
        ━━━━━╸──────────────────────────────────  2 of 12 nodes   7m32s   about 17m left
          ip-10-0-1-3  1a  draining     3 of 11 pods left                   3m12s of 15m
            waits for pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not
            Ready (CrashLoopBackOff, exit 137 OOMKilled, 9 restarts)
          ip-10-0-1-4  1b  settling     load balancers let go                  41s of 1m
        ");
    }

    #[test]
    fn a_wider_screen_gets_more() {
        assert_snapshot!(screen(&blocked(), 452, 120, 24), @"
        ━━━━━╸──────────────────────────────────  2 of 12 nodes   7m32s   about 17m left
          ip-10-0-1-3  1a  draining     3 of 11 pods left                                                           3m12s of 15m
            waits for pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not Ready (CrashLoopBackOff, exit 137
            OOMKilled, 9 restarts)
          ip-10-0-1-4  1b  settling     load balancers let go                                                          41s of 1m
        ");
    }

    #[test]
    fn at_the_beginning_nothing_is_promised() {
        let mut tale = Tale::begin(12);
        assert_snapshot!(screen(&tale, 3, 80, 24), @"────────────────────────────────────────  0 of 12 nodes   3s");
        tale.tell(
            4,
            Event::Waiting {
                who: "nodegroup/apps".to_owned(),
                on: vec![WaitingOn::NodesOut { available: 10, required: 11 }],
                since: at(4),
                until: None,
                pods_left: None,
            },
        );
        assert_snapshot!(screen(&tale, 30, 80, 24), @"
        ────────────────────────────────────────  0 of 12 nodes   30s
          waits for a node to come back: 10 are available and 11 must be
        ");
    }

    #[test]
    fn a_replacement_that_does_not_come_says_what_aws_says() {
        let mut tale = Tale::begin(3);
        tale.cordon(4, 1);
        tale.drained(40, 1, 3);
        tale.tell(100, Event::InstanceLeft { member: member(1), ours: true });
        let failure = "Could not launch On-Demand Instances. InsufficientFreeAddressesInSubnet - There are not enough free addresses in subnet 'subnet-0a1b' to satisfy the requested number of instances. Launching EC2 instance failed.";
        tale.waits(160, 1, 100, vec![WaitingOn::Launch { failure: Some(failure.to_owned()) }], None);
        tale.tell(170, Event::StopRequested);
        assert_snapshot!(screen(&tale, 192, 80, 24), @"
        ────────────────────────────────────────  0 of 3 nodes   3m12s
          ip-10-0-1-1  1b  replacing                                        1m32s of 15m
            waits for a new instance; the last launch failed: Could not launch On-Demand
            Instances. InsufficientFreeAddressesInSubnet - There are not enough free
            addresses in subnet 'subnet-0a1b' to satisfy the requested number of
            instances. Launching EC2 instance failed.
          stopping; no more nodes are chosen. Ctrl-C again leaves at once
        ");
    }

    #[test]
    fn what_a_node_waits_for_survives_where_its_line_is_too_short() {
        let mut tale = Tale::begin(3);
        for number in 1..=2 {
            tale.cordon(4, number);
            tale.drained(40, number, 3);
            tale.tell(100, Event::InstanceLeft { member: member(number), ours: true });
        }
        let reason = "KubeletNotReady: container runtime network not ready: cni plugin not initialized".to_owned();
        let on = vec![WaitingOn::NodeReady { node: crate::report::fixtures::node(4, 22), reason }];
        tale.waits(160, 1, 100, on, None);
        let lifecycle = "Pending:Wait".to_owned();
        tale.waits(160, 2, 100, vec![WaitingOn::Join { instance: "i-0f111417271ab6176".to_owned(), lifecycle }], None);
        assert_snapshot!(screen(&tale, 192, 80, 24), @"
        ────────────────────────────────────────  0 of 3 nodes   3m12s
          ip-10-0-1-1  1b  replacing                                        1m32s of 15m
            waits for ip-10-0-4-22 to be Ready (KubeletNotReady: container runtime
            network not ready: cni plugin not initialized)
          ip-10-0-1-2  1c  replacing                                        1m32s of 15m
            waits for i-0f111417271ab6176 to join the cluster (Pending:Wait)
        ");
        // Where there are no lines to be had, names and phases give way.
        assert_snapshot!(screen(&tale, 192, 80, 4), @"
        ────────────────────────────────────────  0 of 3 nodes   3m12s
          ip-10-0-1-1  ip-10-0-4-22 to be Ready (KubeletNotReady: contain…  1m32s of 15m
          ip-10-0-1-2  i-0f111417271ab6176 to join the cluster (Pending:W…  1m32s of 15m
        ");
        assert_snapshot!(screen(&tale, 192, 120, 24), @"
        ────────────────────────────────────────  0 of 3 nodes   3m12s
          ip-10-0-1-1  1b  replacing                                                                                1m32s of 15m
            waits for ip-10-0-4-22 to be Ready (KubeletNotReady: container runtime network not ready: cni plugin not
            initialized)
          ip-10-0-1-2  1c  replacing    i-0f111417271ab6176 to join the cluster (Pending:Wait)                      1m32s of 15m
        ");
    }

    #[test]
    fn more_nodes_than_lines_are_counted() {
        let mut tale = blocked();
        for number in 5..=12 {
            tale.cordon(430, number);
        }
        assert_snapshot!(screen(&tale, 452, 80, 10), @"
        ━━━━━╸──────────────────────────────────  2 of 12 nodes   7m32s   about 16m left
          ip-10-0-1-3   1a  draining     3 of 11 pods left                  3m12s of 15m
            waits for pdb/shop/cart: 1 of 3 allowed out, cart-7d9f on ip-10-0-1-9 not …
          ip-10-0-1-4   1b  settling     load balancers let go                 41s of 1m
          ip-10-0-1-5   1c  draining                                          22s of 15m
          ip-10-0-1-6   1a  draining                                          22s of 15m
          ip-10-0-1-7   1b  draining                                          22s of 15m
          ip-10-0-1-8   1c  draining                                          22s of 15m
          ip-10-0-1-9   1a  draining                                          22s of 15m
          +3 more in flight
        ");
    }
}
