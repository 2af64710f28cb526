# A reorganisation reverts the claim before it is deep enough, and the claim of another node takes its place. The first
# node has not given its secret to anyone.

> cluster nodes=2
> run 8s
a bootstrapping: initializing
b bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
> chain
head: the hash of the secret that a holds; 6 blocks deep: no hash
> fault reorganisation at 5
> run 4s
b bootstrapping: awaiting on-chain master secret hash
a bootstrapping: awaiting on-chain master secret hash
a bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed here
> chain
head: the hash of the secret that b holds; 6 blocks deep: no hash
> run 20s
a syncing-secret: synced master secret hash mismatch: asking the members
a syncing-secret: no reachable member holds the master secret
b ready
a syncing-secret: first snapshot missing
a ready
> status
a ready
b ready
> chain
head: the hash of the secret that a, b hold; 6 blocks deep: the hash of the secret that a, b hold
