"""Balance a pole on a cart: deep Q-learning with a hand-written step that runs as a compiled program.

A pole stands on a cart by a hinge. Every 20 ms the cart is pushed to the left or to the right, and nothing tells which is
better but the end: a trial is lost when the pole leans by more than 12 degrees or the cart has gone 2.4 m (Barto, Sutton
and Anderson 1983, "Neuronlike adaptive elements that can solve difficult learning control problems"). It is won after 500
pushes, 10 seconds; solved means 475 pushes in the mean of 20 trials.

The learner is a network of the state that estimates the value of either push: what is still to come, discounted. It is
trained on what it remembers (Mnih et al. 2015, "Human-level control through deep reinforcement learning"):

    goal = reward + discount * max over pushes of target(next state)        the reward is -1 where a trial is lost, else 0
    loss = Huber(network(state)[push] - goal)

where target is a copy of the network that is brought up to date every 200 steps, so that the goal holds still.

Run it from the repository's folder:

    python examples/cartpole.py
    python examples/cartpole.py --seed 7      another one
"""

import math
import time

import _common
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim, show

NUMBERS = {"hidden": 64, "steps": 60000, "batch_size": 64, "lr": 0.001}

GRAVITY = 9.8  # m / s^2
CART, POLE = 1.0, 0.1  # masses, kg
HALF = 0.5  # half of the pole's length, m
PUSH = 10.0  # N, to the right or to the left
TICK = 0.02  # s from push to push
TRACK, LEAN = 2.4, math.radians(12)  # m, rad: beyond either a trial is lost
LIMIT, SOLVED, TRIALS = 500, 475, 20  # pushes; their mean that counts as solved; in so many trials
MASTERED = 50  # trials in a row that are won before it stops learning
SCALE = np.array([TRACK, 3.0, LEAN, 3.0], np.float32)  # brings the state's numbers to about 1

DISCOUNT = 0.99
MEMORY = 50_000  # steps that are remembered
FIRST = 1000  # steps before it begins to learn
EXPLORE, LEAST = 5000, 0.02  # the share of random pushes falls from 1 to this within so many steps
UPDATE = 200  # steps from one copy of the network to the next


def pushed(state, right):
    """The state a tick later: (position m, speed m/s, angle rad, turning rad/s), by Euler's method, without friction.

    With F the force, M and m the masses of cart and pole, l half of the pole's length and a the angle from upright:

        p  = (F + m l a'^2 sin a) / (M + m)
        a" = (g sin a - p cos a) / (l (4/3 - m cos^2 a / (M + m)))
        x" = p - m l a" cos a / (M + m)
    """
    x, speed, angle, turning = state
    sin, cos = math.sin(angle), math.cos(angle)
    p = ((PUSH if right else -PUSH) + POLE * HALF * turning**2 * sin) / (CART + POLE)
    turn = (GRAVITY * sin - p * cos) / (HALF * (4 / 3 - POLE * cos**2 / (CART + POLE)))
    drive = p - POLE * HALF * turn * cos / (CART + POLE)
    return x + TICK * speed, speed + TICK * drive, angle + TICK * turning, turning + TICK * turn


def lost(state):
    return abs(state[0]) > TRACK or abs(state[2]) > LEAN


def start(rng):
    """A state near to rest and upright: four numbers between -0.05 and 0.05."""
    return tuple(rng.uniform(-0.05, 0.05, 4).tolist())


def trial(choose, rng):
    """The states of one trial, the first and one for each push that it lasted."""
    states = [start(rng)]
    while len(states) <= LIMIT and not lost(states[-1]):
        states.append(pushed(states[-1], choose(states[-1])))
    return states


class Learner:
    """A network, its copy, and the compiled step that teaches the one with the help of the other."""

    def __init__(self, args):
        self.model, self.target = (
            nn.Sequential(
                nn.Dense(4, args.hidden),
                nn.ReLU(),
                nn.Dense(args.hidden, args.hidden),
                nn.ReLU(),
                nn.Dense(args.hidden, 2),
                rng=args.seed,
            )
            for _ in range(2)
        )
        self.optimizer, self.loss = optim.Adam(self.model.parameters(), lr=args.lr), nn.HuberLoss()
        self.answer = tg.compile(self.model)
        self.learn = tg.compile(self.step)

    def step(self, states, pushes, ends, following):
        """One step on a batch: scaled states (n, 4), pushes (n, 2) as one-hot rows, ends (n,), 1 where it was lost."""
        with tg.no_grad():
            goals = DISCOUNT * self.target(following).max(axis=1) * (1 - ends) - ends
        self.optimizer.zero_grad()
        loss = self.loss((self.model(states) * pushes).sum(axis=1), goals)
        loss.backward()
        self.optimizer.step()
        return loss

    def choose(self, state):
        """Whether a push to the right is the better one."""
        left, right = self.answer(np.array([state], np.float32) / SCALE)[0].tolist()
        return right > left


class Memory:
    """The last steps: state, push, whether the trial was lost, and the state that followed."""

    def __init__(self):
        self.states, self.following = np.zeros((2, MEMORY, 4), np.float32)
        self.pushes, self.ends = np.zeros((MEMORY, 2), np.float32), np.zeros(MEMORY, np.float32)
        self.count = 0

    def add(self, state, right, end, following):
        i = self.count % MEMORY
        self.states[i], self.following[i] = state / SCALE, following / SCALE
        self.pushes[i], self.ends[i] = (not right, right), end
        self.count += 1

    def batch(self, size, rng):
        rows = rng.integers(0, min(self.count, MEMORY), size)
        return self.states[rows], self.pushes[rows], self.ends[rows], self.following[rows]


def train(args):
    """(Learner, how many pushes each trial lasted, steps): one step of learning a push, until it masters the pole.

    After each trial that was won in spite of random pushes, it is tried without them, 50 times; all must be won.
    """
    rng = np.random.default_rng(args.seed)
    learner, memory, lasted = Learner(args), Memory(), []
    state, pushes = start(rng), 0
    for step in range(args.steps):
        explores = rng.random() < max(LEAST, 1 - step / EXPLORE)
        right = bool(rng.integers(2)) if explores else learner.choose(state)
        following = pushed(state, right)
        memory.add(state, right, lost(following), following)
        state, pushes = following, pushes + 1
        if step >= FIRST:
            learner.learn(*memory.batch(args.batch_size, rng))
        if step % UPDATE == 0:
            learner.target.load_state_dict(learner.model.state_dict())
        if lost(state) or pushes == LIMIT:
            lasted.append(pushes)
            if pushes == LIMIT and all(len(trial(learner.choose, rng)) > LIMIT for _ in range(MASTERED)):
                break
            state, pushes = start(rng), 0
    return learner, lasted, step + 1


def plot(lasted, states, path):
    """Draw how long the trials lasted, and one after learning: its angle and place over time, and the cart itself."""
    blue, orange, green = show.palette.OKABE_ITO[:3]
    figure = show.new_figure(12.6, 7.2)
    rows = [["learning", "angle"], ["learning", "place"], ["cart", "cart"]]
    panels = figure.subplot_mosaic(rows, gridspec_kw=show.margins(figure) | {"hspace": 0.5})

    ax, trials = panels["learning"], np.arange(1, len(lasted) + 1)
    means = [np.mean(lasted[max(0, i - 19) : i + 1]) for i in range(len(lasted))]
    ax.scatter(trials, lasted, s=14, color=blue, alpha=0.5, linewidths=0, label="one trial, with random pushes")
    ax.plot(trials, means, color=orange, linewidth=2, label="mean of the last 20")
    ax.axhline(LIMIT, color=show.palette.QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.text(1, LIMIT + 4, "won", fontsize=9, color=show.palette.QUIET, va="bottom")
    ax.set_ylim(0, 1.08 * LIMIT)
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0.9), fontsize=9, framealpha=0.85, edgecolor="none")
    show.tidy(ax, "Learning", "trial", "pushes until it was lost")

    seconds, path_of = np.arange(len(states)) * TICK, np.array(states)
    panels["angle"].plot(seconds, np.degrees(path_of[:, 2]), color=green, linewidth=1.2)
    panels["place"].plot(seconds, path_of[:, 0], color=blue, linewidth=1.6)
    show.tidy(panels["angle"], "A trial after learning", "", "angle, degrees")
    show.tidy(panels["place"], "", "seconds", "place, m")
    for name, limit in (("angle", math.degrees(LEAN)), ("place", TRACK)):
        panels[name].axhspan(-limit, limit, color="#F1F4F7", linewidth=0, zorder=0)  # beyond it, a trial is lost
        panels[name].set(ylim=(-1.15 * limit, 1.15 * limit), xlim=(0, LIMIT * TICK))

    ax = panels["cart"]
    ax.plot([-0.3, 10.3], [0, 0], color=show.palette.LINE, linewidth=1.5, zorder=0)
    for t, (*_, angle, _) in list(zip(seconds, states, strict=True))[::25]:
        draw_cart(ax, t, angle, 0.38)
    ax.set(xlim=(-0.3, LIMIT * TICK + 0.3), ylim=(-0.03, 1.25), aspect="equal", yticks=[])
    show.tidy(ax, "The same trial, every half second", "seconds", "")
    ax.spines[:].set_visible(False)
    return show.save_picture(figure, path)


def draw_cart(ax, x, angle, size):
    """A cart at x with its pole, `size` for a meter of it; the pole twice as long as it is, to be seen."""
    wide, high = 0.4 * size, 0.25 * size
    sides = [x - wide, x + wide, x + wide, x - wide], [0, 0, high, high]
    ax.fill(*sides, color=show.palette.OKABE_ITO[0], linewidth=0)
    length = 2 * 2 * HALF * size
    top = x + length * math.sin(angle), high + length * math.cos(angle)
    ax.plot([x, top[0]], [high, top[1]], color=show.palette.OKABE_ITO[1], linewidth=3.5, solid_capstyle="round")
    ax.plot(x, high, "o", color=show.palette.INK, markersize=3.5)


def main():
    args = _common.arguments(
        __doc__,
        NUMBERS,
        without=("dtype", "digits", "quiet"),
        steps="pushes, in all trials together, after which it gives up",
        lr="learning rate",
    )
    began = time.perf_counter()
    learner, lasted, steps = train(args)
    print(f"{len(lasted)} trials, {steps} steps in {time.perf_counter() - began:.1f} s")
    if learner.learn.reason:
        print(f"the step was not compiled: {learner.learn.reason}")

    rng = np.random.default_rng([args.seed, 1])  # trials that played no part in when to stop
    trials = [trial(learner.choose, rng) for _ in range(TRIALS)]
    mean = np.mean([len(states) - 1 for states in trials])
    print(f"mean pushes {mean:.1f} of {LIMIT} in {TRIALS} new trials: {'solved' if mean >= SOLVED else 'not solved'}")
    print(f"picture in {plot(lasted, trials[0], args.picture)}")


if __name__ == "__main__":
    _common.run(main)
