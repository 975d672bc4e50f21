"""Does the pool keep its promises for as long as anybody likes? `make soak MINUTES=600`.

__main__        the command line
run             what happens, in which order: load and rest, in turns
stage           the two pools, their peers, and who takes part
callers         what callers do with a pool, by chance
exchanges       what they ask, and how a reply is proven
trouble         what goes wrong meanwhile, by chance
echo            the client of the echo server, and the pool of such clients
echo_process    the echo server, with its faults, in a process of its own
book            what the callers of one pool saw of it
readings        what this process holds: descriptors, memory, greenlets, timers
noise           errors in the log, in the loop and in finalizers
watches         what must be true of all that, and is said to be broken where it is not
looks           when is looked at what
tally, record   what was counted, and what was seen
report          the figures of the whole
"""
