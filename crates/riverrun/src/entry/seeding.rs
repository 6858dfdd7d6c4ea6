//! When a torrent has seeded enough.

use types::Time;

use crate::{GoalAction, SeedGoal};

/// A torrent's seed goal, and how far it is.
#[derive(Debug)]
pub(crate) struct Seeding {
    /// Most have none.
    goal: Option<Box<SeedGoal>>,
    reached: bool,
    /// Since when it seeds.
    since: Option<Time>,
    /// What it has sent in all, and since when it is no more.
    sent: (u64, Time),
}

impl Seeding {
    pub(crate) fn new(goal: Option<SeedGoal>) -> Seeding {
        Seeding { goal: goal.map(Box::new), reached: false, since: None, sent: (0, Time::ZERO) }
    }

    /// Another goal, or none.
    pub(crate) fn set_goal(&mut self, goal: Option<SeedGoal>) {
        (self.goal, self.reached) = (goal.map(Box::new), false);
    }

    /// The goal counts anew.
    pub(crate) fn restart(&mut self) {
        (self.reached, self.since) = (false, None);
    }

    /// What becomes of it when the goal is reached.
    pub(crate) fn action(&self) -> GoalAction {
        self.goal.as_ref().map(|goal| goal.action).unwrap_or_default()
    }

    /// Whether the goal was reached.
    pub(crate) fn is_reached(&self) -> bool {
        self.reached
    }

    /// Looks at the goal: whether it is reached now, and if not, when it will be by time alone. `seeds` says
    /// whether the torrent does now; it has sent so many bytes, and wants so many.
    pub(crate) fn review(&mut self, now: Time, seeds: bool, sent: u64, wanted: u64) -> (bool, Time) {
        self.since = seeds.then(|| self.since.unwrap_or(now));
        if self.sent.0 != sent {
            self.sent = (sent, now);
        }
        let (Some(since), Some(goal)) = (self.since, self.goal.as_ref().filter(|_| !self.reached)) else {
            return (false, Time::NEVER);
        };
        let idle = goal.idle.map_or(Time::NEVER, |time| since.max(self.sent.1) + time);
        let at = goal.time.map_or(Time::NEVER, |time| since + time).min(idle);
        self.reached =
            at.is_due(now) || goal.ratio.is_some_and(|ratio| crate::status::ratio(sent, wanted) >= ratio);
        (self.reached, if self.reached { Time::NEVER } else { at })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_sent_for_a_time_is_a_goal_too() {
        let goal = SeedGoal::none().idle(Duration::from_secs(60)).action(GoalAction::Remove);
        let mut seeding = Seeding::new(Some(goal));
        let (at, start) = (|secs| Time::from_secs(secs), Time::from_secs(5));
        assert_eq!(seeding.review(start, true, 100, 100), (false, at(65)));
        assert_eq!(seeding.review(at(64), true, 116, 100), (false, at(124)), "somebody took a block");
        assert_eq!(seeding.review(at(123), true, 116, 100), (false, at(124)));
        assert_eq!(seeding.review(at(124), true, 116, 100), (true, Time::NEVER));
        assert_eq!((seeding.action(), Seeding::new(None).action()), (GoalAction::Remove, GoalAction::Pause));
    }

    #[test]
    fn where_nothing_is_wanted_no_ratio_is_reached() {
        let mut seeding = Seeding::new(Some(SeedGoal::none().ratio(1.0).action(GoalAction::RemoveWithData)));
        assert_eq!(seeding.review(Time::from_secs(5), true, 0, 0), (false, Time::NEVER));
        assert_eq!(seeding.review(Time::from_secs(5), true, 900, 0), (false, Time::NEVER));
    }

    #[test]
    fn a_goal_is_reached_once_by_ratio_or_time() {
        let goal = SeedGoal::none().ratio(2.0).time(Duration::from_secs(60));
        let (mut seeding, start) = (Seeding::new(Some(goal)), Time::from_secs(5));
        assert_eq!(seeding.review(start, false, 900, 100), (false, Time::NEVER), "it does not seed");
        assert_eq!(seeding.review(start, true, 199, 100), (false, Time::from_secs(65)));
        assert_eq!(seeding.review(Time::from_secs(7), true, 200, 100), (true, Time::NEVER));
        assert!(seeding.is_reached());
        assert_eq!(seeding.review(Time::from_secs(7), true, 200, 100), (false, Time::NEVER), "once");
        seeding.restart();
        assert_eq!(seeding.review(Time::from_secs(10), true, 0, 100), (false, Time::from_secs(70)));
        assert_eq!(seeding.review(Time::from_secs(70), true, 0, 100), (true, Time::NEVER));
    }
}
