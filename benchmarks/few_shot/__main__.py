"""`python -m benchmarks.few_shot`: the meta-learners on the papers' few-shot tasks."""

from benchmarks.few_shot.run import main

raise SystemExit(main())
