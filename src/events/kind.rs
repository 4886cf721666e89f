//! The kinds of events, named in the past tense.

use serde::{Deserialize, Serialize};

use super::{
    BracketRef, ByHand, GateTime, GuardValue, PlayOutline, Recap, StepId, StepOutcome, StepResult,
    StopCause, TaskRef,
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "events are made one at a time and written down at once"
)]
pub enum EventKind {
    /// The run began, or went on after a stop.
    RunStarted {
        /// Its id.
        run: String,
        /// stagger's version.
        version: String,
        /// The playbook.
        playbook: String,
        /// The plan's digest.
        plan_digest: String,
        /// Whether nothing is changed.
        check: bool,
        /// Who started it.
        operator: String,
        /// Why it was started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Whether it goes on with an earlier part.
        resumed: bool,
        /// The plays.
        plays: Vec<PlayOutline>,
    },
    /// A play began.
    PlayStarted {
        /// The play.
        play: PlayOutline,
    },
    /// A play ended.
    PlayFinished {
        /// Its id.
        play: String,
    },
    /// A batch began.
    BatchStarted {
        /// The play's id.
        play: String,
        /// Its number, from 1.
        batch: u32,
        /// How many batches there are, as far as is known.
        of: u32,
        /// Its hosts.
        hosts: Vec<String>,
    },
    /// A batch ended.
    BatchFinished {
        /// The play's id.
        play: String,
        /// Its number.
        batch: u32,
    },
    /// A task began on the hosts of a batch.
    TaskStarted {
        /// The task.
        task: TaskRef,
        /// Where it is run; hosts that skip it included.
        hosts: Vec<String>,
    },
    /// A step is about to begin; this is on disk.
    StepIntended {
        /// The step.
        step: StepId,
        /// The task's name.
        name: String,
        /// The loop's item as people see it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// The name of its detached job, should it start one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        /// Which try this is, from 1.
        attempt: u32,
    },
    /// A step ended.
    StepFinished {
        /// The step.
        step: StepId,
        /// The task's name.
        name: String,
        /// The loop's item as people see it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// Where its task stands: `file:line:column`.
        #[serde(default, rename = "place", skip_serializing_if = "String::is_empty")]
        at: String,
        /// The host it really ran on, if it was delegated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delegated_to: Option<String>,
        /// Whether it is one of the tries of something that is told as a whole: the counts pass it over.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        uncounted: bool,
        /// How it ended.
        #[serde(flatten)]
        outcome: StepOutcome,
        /// Whether its failure is ignored.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ignored: bool,
        /// How often it was tried.
        attempts: u32,
        /// How long it took.
        took_ms: u64,
        /// What it gave.
        result: StepResult,
    },
    /// A detached job was started.
    JobStarted {
        /// The step.
        step: StepId,
        /// The job's name.
        job: String,
    },
    /// A detached job of an earlier part of the run was found again.
    JobReattached {
        /// The step.
        step: StepId,
        /// The job's name.
        job: String,
    },
    /// A long job came to one of its marked parts.
    SubStepStarted {
        /// The step.
        step: StepId,
        /// The part's name.
        name: String,
    },
    /// A waiting step saw something new.
    StepWaited {
        /// The step.
        step: StepId,
        /// Which try this was, from 1.
        attempt: u32,
        /// How many tries there are at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<u32>,
        /// How long it may still wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_ms: Option<u64>,
        /// What it saw.
        saw: String,
    },
    /// A gate is being passed.
    GateStarted {
        /// The play's id.
        play: String,
        /// When in the play.
        time: GateTime,
        /// The batch it lets in, from 1.
        batch: u32,
    },
    /// A gate waits and saw something new.
    GateWaited {
        /// The play's id.
        play: String,
        /// The task that waits.
        task: TaskRef,
        /// What it saw.
        saw: String,
    },
    /// A gate was passed.
    GatePassed {
        /// The play's id.
        play: String,
        /// When in the play.
        time: GateTime,
        /// How long it took.
        took_ms: u64,
    },
    /// A gate did not pass.
    GateFailed {
        /// The play's id.
        play: String,
        /// When in the play.
        time: GateTime,
        /// The task that did not pass.
        task: TaskRef,
        /// What it last saw.
        saw: String,
    },
    /// A guard's value changed, or was read for the first time.
    GuardChanged {
        /// The guard's name.
        guard: String,
        /// Its value.
        value: GuardValue,
        /// What its probe saw.
        saw: String,
        /// How long this value is tolerated, if it is not `true`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
    },
    /// A guard's value lasted longer than its grace.
    GuardBreached {
        /// The guard's name.
        guard: String,
        /// Its value.
        value: GuardValue,
        /// What its probe saw.
        saw: String,
    },
    /// A bracket's value was read before its first change.
    BracketFound {
        /// The bracket.
        bracket: BracketRef,
        /// What was found.
        found: serde_json::Value,
    },
    /// A bracket was entered.
    BracketEntered {
        /// The bracket.
        bracket: BracketRef,
    },
    /// A bracket was left, and that was verified.
    BracketLeft {
        /// The bracket.
        bracket: BracketRef,
    },
    /// A bracket could not be left.
    BracketOwed {
        /// The bracket.
        bracket: BracketRef,
        /// Why.
        reason: String,
        /// How to do it by hand.
        by_hand: Vec<ByHand>,
    },
    /// A bracket must not be left yet.
    BracketHeld {
        /// The bracket.
        bracket: BracketRef,
        /// Why.
        reason: String,
        /// How to do it by hand, when the reason is gone.
        by_hand: Vec<ByHand>,
    },
    /// The run may stop here and the cluster is as safe as before.
    RestPointReached {
        /// The play's id.
        play: String,
        /// The batch.
        batch: u32,
        /// The path of what comes next.
        before: String,
    },
    /// The operator is asked before a point of no return.
    ApprovalAsked {
        /// Its name.
        name: String,
        /// What cannot be undone after it.
        note: String,
    },
    /// A point of no return was approved.
    ApprovalGiven {
        /// Its name.
        name: String,
        /// By whom: the operator, or `--approve`.
        by: String,
    },
    /// A point of no return was not approved.
    ApprovalRefused {
        /// Its name.
        name: String,
        /// Why: the operator said no, or nobody could be asked.
        why: String,
    },
    /// The cluster's lock was taken.
    LockTaken {
        /// The cluster's id.
        cluster: String,
        /// On which machines.
        on: Vec<String>,
    },
    /// The cluster's lock was lost.
    LockLost {
        /// The cluster's id.
        cluster: String,
        /// Who has it now, as far as is known.
        owner: String,
    },
    /// A member was taken out of service.
    MemberDown {
        /// The member.
        member: String,
        /// Its host.
        host: String,
        /// How long it may be out of service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        declared_ms: Option<u64>,
    },
    /// A member is in service again.
    MemberUp {
        /// The member.
        member: String,
        /// Its host.
        host: String,
        /// How long it was out of service.
        down_ms: u64,
    },
    /// A host takes no further part in the play or the run.
    HostLeft {
        /// The host.
        host: String,
        /// Why: it failed, was unreachable, or a task ended its part.
        why: String,
    },
    /// A failure of a block was rescued on a host.
    Rescued {
        /// The host.
        host: String,
        /// The path of the block.
        block: String,
    },
    /// Something deserves attention.
    Warned {
        /// What.
        message: String,
        /// On which host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// Where in the files.
        #[serde(default, rename = "place", skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// The operator asked to stop.
    StopAsked {
        /// How urgently: 1 drain to the next rest point, 2 stop waiting, 3 quit.
        level: u8,
        /// What happens now and what to type next.
        message: String,
    },
    /// The run stops before its end.
    RunStopped {
        /// Why.
        #[serde(flatten)]
        cause: StopCause,
        /// In one sentence.
        message: String,
        /// The step or place where it stopped.
        #[serde(default, rename = "place")]
        at: String,
        /// What a person can type to finish or undo what was begun.
        by_hand: Vec<ByHand>,
    },
    /// The run is over.
    RunFinished {
        /// The exit code.
        exit_code: u8,
        /// What happened on each host.
        recap: Recap,
        /// Brackets that are owed or held.
        owed: Vec<BracketRef>,
    },
    /// An event of a newer version.
    #[serde(other)]
    Unknown,
}
