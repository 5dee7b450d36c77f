//! What programs and tickets get of a diagnosis.

use insta::assert_snapshot;
use serde_json::Value;

use crate::{diagnose::in_world, home_with, mngup_in};

/// The document on stdout, before what is said on stderr and the exit code.
pub(crate) fn document(said: &str) -> Value {
    serde_json::from_str(said.split("\n2> ").next().unwrap().split("\n[").next().unwrap()).unwrap()
}

/// A symptom above its root, and something that may not be asked.
const SMALL: &str = "\
name: small
denied: [\"eks:DescribeUpdate\"]
group:
  nodegroup: { name: workers }
  template: { old: 1, new: 2 }
zones:
  - { name: eu-west-1a, old: 2 }
workloads:
  - { kind: Deployment, name: cart, namespace: shop, replicas: 2, anti-affinity: hostname, trouble: { kind: crash-loop, with: new }, budgets: [{ max-unavailable: 1 }] }
";

/// Scripts read these fields: whoever renames one breaks them.
#[test]
fn programs_get_all_of_it_in_one_document() {
    let home = home_with("small.yaml", SMALL);
    let said = mngup_in(home.path(), "diagnose --sandbox small.yaml -o json", &[]);
    // The world's clock goes on while it is looked at.
    let at = document(&said)["at"].as_str().unwrap().to_owned();
    assert!(at.starts_with("2026-01-01T00:10:0"), "{at}");
    assert_snapshot!(said.replace(&at, "AT"), @r#"
    {
      "schema": 1,
      "at": "AT",
      "subject": "group",
      "findings": [
        {
          "cause": "POD-CRASH-LOOP",
          "object": {
            "pod": {
              "namespace": "shop",
              "name": "cart-3659e55e-zfj6x",
              "uid": "0c43407d-c177-46f7-83f9-1ca7864a7135"
            }
          },
          "says": "container cart of pod/shop/cart-3659e55e-zfj6x ends again and again",
          "grade": "blocks",
          "sure": "certain",
          "evidence": [
            {
              "by": "status",
              "says": "CrashLoopBackOff, exit 1, 9 restarts"
            }
          ],
          "since": null,
          "remedies": [
            {
              "what": "why it ends",
              "kind": "look",
              "run": [
                {
                  "kubectl": "-n shop logs pod/cart-3659e55e-zfj6x -c cart --previous"
                },
                {
                  "kubectl": "-n shop describe pod/cart-3659e55e-zfj6x"
                }
              ],
              "back": [],
              "risk": ""
            }
          ],
          "holds": {
            "nodes": [
              "ip-10-0-1-240"
            ],
            "pods": [
              {
                "namespace": "shop",
                "name": "cart-3659e55e-dc56b",
                "uid": "d0bad0da-572b-4af1-ae84-379630af89ee"
              }
            ],
            "instances": [],
            "group": null
          },
          "under": [
            {
              "cause": "PDB-EXHAUSTED",
              "object": {
                "pdb": {
                  "namespace": "shop",
                  "name": "cart"
                }
              },
              "says": "pdb/shop/cart allows no eviction now",
              "grade": "blocks",
              "sure": "certain",
              "evidence": [
                {
                  "by": "arithmetic",
                  "says": "1 of 2 may be out and 1 is: cart-3659e55e-zfj6x"
                }
              ],
              "since": "2026-01-01T00:01:31Z",
              "remedies": [
                {
                  "what": "the pods that it counts",
                  "kind": "look",
                  "run": [
                    {
                      "kubectl": "-n shop get pods -l 'app in (cart)' -o wide"
                    }
                  ],
                  "back": [],
                  "risk": ""
                }
              ],
              "holds": {
                "nodes": [
                  "ip-10-0-1-240"
                ],
                "pods": [
                  {
                    "namespace": "shop",
                    "name": "cart-3659e55e-dc56b",
                    "uid": "d0bad0da-572b-4af1-ae84-379630af89ee"
                  }
                ],
                "instances": [],
                "group": null
              },
              "under": [],
              "because": []
            }
          ],
          "because": []
        }
      ],
      "unknown": [
        {
          "cause": "EKS-ISSUE",
          "object": {
            "nodegroup": "workers"
          },
          "lacking": {
            "right": "eks:DescribeUpdate"
          }
        }
      ],
      "tree": [
        {
          "object": {
            "node": "ip-10-0-1-240"
          },
          "causes": [],
          "below": [
            {
              "object": {
                "pod": {
                  "namespace": "shop",
                  "name": "cart-3659e55e-dc56b",
                  "uid": "d0bad0da-572b-4af1-ae84-379630af89ee"
                }
              },
              "causes": [],
              "below": [
                {
                  "object": {
                    "pdb": {
                      "namespace": "shop",
                      "name": "cart"
                    }
                  },
                  "causes": [
                    "PDB-EXHAUSTED"
                  ],
                  "below": [
                    {
                      "object": {
                        "pod": {
                          "namespace": "shop",
                          "name": "cart-3659e55e-zfj6x",
                          "uid": "0c43407d-c177-46f7-83f9-1ca7864a7135"
                        }
                      },
                      "causes": [
                        "POD-CRASH-LOOP"
                      ],
                      "below": [],
                      "more": 0,
                      "seen_above": false
                    }
                  ],
                  "more": 0,
                  "seen_above": false
                }
              ],
              "more": 0,
              "seen_above": false
            }
          ],
          "more": 0,
          "seen_above": false
        }
      ]
    }
    [4]
    "#);
}

#[test]
fn programs_read_the_code_the_object_and_whom_it_holds() {
    let said = in_world("two-budgets", "--before-upgrade -o json");
    let found = document(&said);
    let code = said.lines().last().unwrap();
    assert_eq!((&found["findings"][0]["cause"], code), (&"TWO-BUDGETS".into(), "[4]"));
    assert_eq!((&found["schema"], &found["subject"]), (&1.into(), &"before-upgrade".into()));
    assert_eq!(found["findings"][0]["object"]["budgets"][0]["name"], "cart");
}

#[test]
fn a_ticket_gets_markdown() {
    assert_snapshot!(in_world("two-budgets", "-o markdown"), @"
    # nodegroup/workers: 1 cause holds 2 nodes and 2 pods

    ## TWO-BUDGETS: pdb/shop/cart and pdb/shop/critical-tier count the same pods

    - holds 2 pods on ip-10-0-2-83, ip-10-0-3-253: pod/shop/cart-86c105b9-lksmp, pod/shop/cart-86c105b9-mz7wg
    - why: the eviction API refuses a pod that more than one budget counts, now and always (spec)
    - why: cart selects app in (cart); critical-tier selects tier in (critical) (spec)

    **fix**: leave the pods to critical-tier; risk: pods that only the other counts lose it, or what it asks for beyond this one

    ```sh
    kubectl -n shop get pdb/cart -o yaml > cart.yaml &&
    kubectl -n shop delete pdb/cart &&
    kubectl -n shop annotate pdb/critical-tier mngup.dev/counted=anew &&
    kubectl -n shop annotate pdb/critical-tier mngup.dev/counted-
    ```

    **back**: puts it back, once the pods have moved

    ```sh
    kubectl -n shop apply -f cart.yaml
    ```

    **or**: leave the pods to cart; risk: pods that only the other counts lose it, or what it asks for beyond this one

    ```sh
    kubectl -n shop get pdb/critical-tier -o yaml > critical-tier.yaml &&
    kubectl -n shop delete pdb/critical-tier &&
    kubectl -n shop annotate pdb/cart mngup.dev/counted=anew &&
    kubectl -n shop annotate pdb/cart mngup.dev/counted-
    ```

    **back**: puts it back, once the pods have moved

    ```sh
    kubectl -n shop apply -f critical-tier.yaml
    ```
    [4]
    ");
}
