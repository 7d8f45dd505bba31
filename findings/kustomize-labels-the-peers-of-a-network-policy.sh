#!/bin/sh
# kustomize adds a label to the peers of a network policy, which are other applications' pods
#
# Guess:      labels with includeSelectors go into the selectors of the application's own pods. The
#             selectors of a network policy's peers stay as they are, since they select other pods.
# Behaviour:  kustomize adds the label to the podSelector of each peer. The policy's own
#             podSelector, which is empty here, stays empty.
# Versions:   sigs.k8s.io/kustomize/kustomize/v5 v5.8.1.
# Matters:    the policy is valid, but the application's pods can reach neither the cluster's DNS
#             nor a Redis of another application.

. "$(dirname "$0")/lib/start.sh"
need go
cat >policy.yaml <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: shop
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - podSelector:
            matchLabels:
              k8s-app: kube-dns
END
cat >kustomization.yaml <<'END'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
labels:
  - includeSelectors: true
    pairs:
      app: shop
resources: [policy.yaml]
END
go run sigs.k8s.io/kustomize/kustomize/v5@v5.8.1 build . >built 2>go.log || { cat go.log; exit 2; }
sed -n '/^spec:/,/^---/p' built | grep -v '^---' >seen
compare <<'END'
spec:
  egress:
  - to:
    - podSelector:
        matchLabels:
          app: shop
          k8s-app: kube-dns
  podSelector: {}
  policyTypes:
  - Egress
END
