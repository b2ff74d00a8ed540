"""The paper's experiment: systems x targets x budgets x seeds x strategies as jobs, which may be interrupted."""
