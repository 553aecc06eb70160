"""Each row of docs/neighbours.md has a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "neighbours.md").read_text()
# The tests of each row, by section and how its first cell begins, in the order of the page.
TESTS = {
    "Lightning": {
        "`WeightAveraging`, ": "test_callbacks_that_leave_the_curve_alone",
        "`StochasticWeightAveraging`": "test_stochastic_weight_averaging_takes_over",
        "`GradientAccumulationScheduler`": "test_callbacks_that_leave_the_curve_alone",
        "`BatchSizeFinder`, ": "test_the_planned_length_is_that_of_the_found_batch_size",
        "`LearningRateFinder`, ": "test_the_result_of_a_range_test_is_the_base",
        "`BackboneFinetuning`": "test_backbone_finetuning",
        "`EarlyStopping`": "test_early_stopping_only_cuts_the_curve",
        "`ModelPruning`": "test_callbacks_that_leave_the_curve_alone",
        "`RichProgressBar`": "test_callbacks_that_leave_the_curve_alone",
        "`LearningRateMonitor`": "test_the_monitor_logs_the_rate_used",
        "an lr scheduler": "test_a_conflict_is_refused_before_the_first_rate",
        "a second of our callbacks with the same `optimizers=`": (
            "test_two_callbacks_with_the_same_optimizers_are_refused_by_the_trainer"
        ),
        "a second of our callbacks on": "test_a_conflict_is_refused_before_the_first_rate",
        "`torch.compile` of the model": "test_a_compiled_model",
        "`torch.compile` of the optimizer": "test_kinds_of_optimizers",
        "fused, foreach and tensor-rate Adam": "test_kinds_of_optimizers",
        "8-bit AdamW of torchao": "test_kinds_of_optimizers",
        "schedulefree": "test_kinds_of_optimizers",
        "SAM": "test_an_optimizer_whose_step_is_never_called",
        "data that are reloaded": "test_reloaded_data_of_another_length_are_named_once",
        "AMP with skipped updates": "test_amp_with_skipped_updates_ends_with_the_run",
    },
    "Keras": {
        "`EarlyStopping`": "test_callbacks_that_leave_the_rate_alone",
        "`ReduceLROnPlateau`, `LearningRateScheduler`": "test_keras_own_writers",
        "a callback that sets the rate in every batch": (
            "test_another_rate_that_acts_at_every_batch_is_named_and_logged"
        ),
        "the same, listed before ours": "test_listed_last_ours_acts_at_every_batch",
        "`SwapEMAWeights`": "test_callbacks_that_leave_the_rate_alone",
        "`TerminateOnNaN`": "test_callbacks_that_leave_the_rate_alone",
        "`BackupAndRestore`": "test_killed_and_resumed",
        "`BackupAndRestore`, killed": "test_a_backup_of_two_epochs",
        "`BackupAndRestore(save_freq=2)`, killed": "test_a_backup_within_an_epoch",
        "a second of our callbacks": "test_two_callbacks_on_one_optimizer_are_refused",
        "an optimizer with a schedule": "test_an_optimizer_without_a_settable_rate_is_refused",
        "`optimizers.legacy` of tf_keras": "test_a_decay_is_a_second_schedule",
        "a `train_step`": "test_an_optimizer_that_is_never_applied_is_named_once",
        "the same with `optimizers=[": (
            "test_each_optimizer_has_its_own_peak_and_floor "
            "test_two_callbacks_with_curves_of_their_own"
        ),
        "the same on JAX": "test_variables_outside_the_state_are_named",
        "a `MultiOptimizer`": "test_each_of_several_optimizers_with_one_name_is_logged",
        "`steps_per_execution` above 1": "test_several_steps_per_execution_raise_a_warning",
        "`MultiWorkerMirroredStrategy` in Keras 3": "test_two_workers",
    },
}


def test_each_row_has_a_test():
    titles = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, table = section.partition("\n")
        cells = re.findall(r"^\| (.+?) \| (?:works|refused|warned|limit) \|", table, re.MULTILINE)
        pairs = zip(cells, TESTS[title], strict=True)
        assert [cell for cell, begin in pairs if not cell.startswith(begin)] == []
        titles.append(title)
    assert titles == [*TESTS]


def test_each_test_exists():
    tests = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    named = [name for cells in TESTS.values() for names in cells.values() for name in names.split()]
    assert [name for name in named if f"\ndef {name}(" not in tests] == []
