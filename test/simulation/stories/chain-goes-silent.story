# The RPC of one node does not answer for two minutes. The node does not treat that as an empty membership: it continues with
# its last view. Later the RPC is silent for twenty minutes. After fifteen minutes, the view is too old and the node refuses
# requests. It answers requests again soon after the RPC is back (protocol.md §6, §9.18).

> cluster nodes=3
> run 20s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: first snapshot missing
c ready
> fault chain down on b for 2m
> run 2m
> derive b path
key of 32 bytes
> run 1m
> fault chain down on b for 20m
> run 13m
> run 4m
b ineligible: chain view is stale
b ineligible: chain view is stale: peer cache refresh failed: the chain RPC at rpc.sim:443 cannot be reached
> derive b path
unready
> run 4m
b ready
> derive b path
key of 32 bytes
