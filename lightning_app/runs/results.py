"""results.csv: what was measured, a row per system, corpus, metric and run.

| column       | what it holds                                                                                |
| ------------ | -------------------------------------------------------------------------------------------- |
| system       | what was measured, such as "zero-shot"                                                       |
| corpus       | on which clips                                                                               |
| label_set    | the name of their set of classes                                                             |
| kind         | score: classes; rating: dimensions; text: answers in words; space: the shared space itself   |
| metric       | its name; metrics are shown in the order in which they stand                                 |
| better       | higher or lower: which values are good                                                       |
| seed, fold   | of the run; empty where there is none                                                        |
| value        | the metric; empty where it cannot be measured                                                |
| n            | clips behind the value                                                                       |

The axes of a chain's matrix are further columns.
"""

COLUMNS = ("system", "corpus", "label_set", "kind", "metric", "better", "seed", "fold", "value", "n")
# The kinds of predictions.parquet, and the one that has no predictions.
SPACE = "space"
