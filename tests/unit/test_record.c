/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples to JSON and back: nothing is lost, nothing unknown becomes 0, nothing infinite gets in.
 */
#include "expect.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "record_json.h"

/* Every member different from its neighbours, so that a swap is seen. */
static void fill(struct jd_sample *s)
{
    uint64_t next = 1000;
    jd_sample_init(s);
    s->block = 3;
    s->position = 17;
    s->process = 2;
    s->kind = JD_SAMPLE_CRASHED;
    jd_sample_detail(s, "signal %d", 11);
    s->signal = 11;
    s->exit_code = -1;
    s->started_s = 1.5;
    s->wall_ns = next++;
    s->time_to_main_ns = next++;
    s->time_to_first_result_ns = next++;
    s->time_to_last_result_ns = next++;
    for (size_t i = 0; i < JD_SPAN_COUNT; i++)
        s->phase_ns[i] = next++;
    s->pauses = (struct jd_sample_pauses){7, 800, 700, 2000};
    s->warm = (struct jd_sample_warm){2.5, 30, 3, {1.5, 2.5, 3.5}};
    uint64_t *const groups[] = {(uint64_t *)&s->memory, (uint64_t *)&s->counters,
                                (uint64_t *)&s->perf};
    const size_t sizes[] = {sizeof s->memory, sizeof s->counters, sizeof s->perf};
    for (size_t g = 0; g < 3; g++)
        for (size_t i = 0; i < sizes[g] / sizeof(uint64_t); i++)
            groups[g][i] = next++;
    s->system = (struct jd_sample_system){0.25, 1, 2, 3, 4, 5, 6, 7, 8};
    s->curve.count = 2;
    s->curve.functions[0] = 1;
    s->curve.functions[1] = 9;
    s->curve.time_ns[0] = 100;
    s->curve.time_ns[1] = 900;
}

static void expect_same_json(const struct jd_sample *sample)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_sample back;
    json_t *object = jd_sample_to_json(sample);
    assert_non_null(object);
    char *text = json_dumps(object, 0);
    json_t *parsed = json_loads(text, 0, NULL);
    expect_ok(jd_sample_from_json(parsed, &back, &err), &err);
    assert_memory_equal(sample, &back, sizeof back);
    json_decref(object);
    json_decref(parsed);
    free(text);
}

static void test_round_trip(void **state)
{
    struct jd_sample *sample = calloc(1, sizeof *sample);
    (void)state;
    fill(sample);
    expect_same_json(sample);
    jd_sample_init(sample);
    expect_same_json(sample);
    free(sample);
}

/* The text, not our own reader, says that unknown is not 0. */
static void test_unknown_is_said(void **state)
{
    struct jd_sample sample;
    (void)state;
    jd_sample_init(&sample);
    json_t *object = jd_sample_to_json(&sample);
    char *text = json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT);
    assert_non_null(strstr(text, "\"perf\":{\"cycles\":\"unavailable\",\"instructions\":"
                                 "\"unavailable\"}"));
    assert_non_null(strstr(text, "\"time_to_main_ns\":null"));
    assert_non_null(strstr(text, "\"counters\":null"));
    assert_non_null(strstr(text, "\"pauses\":null"));
    assert_non_null(strstr(text, "\"load_average_1m\":\"unavailable\""));
    assert_non_null(strstr(text, "\"signal\":null"));
    free(text);
    json_decref(object);
}

static void test_no_infinity(void **state)
{
    struct jd_sample sample;
    (void)state;
    jd_sample_init(&sample);
    sample.started_s = NAN;
    sample.warm = (struct jd_sample_warm){INFINITY, 1, 2, {-INFINITY, NAN}};
    json_t *object = jd_sample_to_json(&sample);
    assert_non_null(object);
    char *text = json_dumps(object, 0);
    json_t *parsed = json_loads(text, 0, NULL);
    assert_non_null(parsed);
    assert_true(json_is_null(json_object_get(parsed, "started_s")));
    assert_true(json_is_null(json_object_get(json_object_get(parsed, "warm"), "ns_per_unit")));
    free(text);
    json_decref(object);
    json_decref(parsed);
}

static void expect_refused(const char *text, const char *member)
{
    struct jd_error err = JD_ERROR_INIT;
    struct jd_sample sample;
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(object);
    expect_error(jd_sample_from_json(object, &sample, &err), JD_E_BAD_FILE, member, &err);
    assert_int_equal(sample.kind, JD_SAMPLE_HARNESS_ERROR);
    json_decref(object);
}

static void test_wrong_members(void **state)
{
    (void)state;
    expect_refused("[]", "sample");
    expect_refused("{}", "kind");
    expect_refused("{\"kind\": \"splendid\"}", "kind");
    expect_refused("{\"kind\": \"ok\", \"wall_ns\": -1}", "wall_ns");
    expect_refused("{\"kind\": \"ok\", \"wall_ns\": \"soon\"}", "wall_ns");
    expect_refused("{\"kind\": \"ok\", \"phases_ns\": {\"link\": 1.5}}", "link");
    expect_refused("{\"kind\": \"ok\", \"curve\": {\"functions\": [1], \"time_ns\": []}}", "curve");
}

/* A program's bytes must not make the record unreadable. */
static void test_detail_is_tamed(void **state)
{
    struct jd_sample sample;
    (void)state;
    jd_sample_init(&sample);
    jd_sample_detail(&sample, "a\nb\x80\x01%s", "c");
    assert_string_equal(sample.detail, "a b??c");
    expect_same_json(&sample);
    char longer[2 * JD_SAMPLE_DETAIL_BYTES];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    jd_sample_detail(&sample, "%s", longer);
    assert_int_equal(strlen(sample.detail), JD_SAMPLE_DETAIL_BYTES - 1);
}

static void test_metrics(void **state)
{
    struct jd_sample s;
    double value;
    (void)state;
    jd_sample_init(&s);
    for (int metric = 0; metric < JD_METRIC_COUNT; metric++)
        assert_false(jd_sample_metric(&s, JD_REGIME_WARM, (enum jd_metric)metric, &value));
    fill(&s);
    assert_true(jd_sample_metric(&s, JD_REGIME_WARM, JD_METRIC_NS_PER_CALL, &value));
    assert_true(value == 2.5);
    assert_false(jd_sample_metric(&s, JD_REGIME_WARM, JD_METRIC_ENGINE_CYCLE, &value));
    assert_true(jd_sample_metric(&s, JD_REGIME_COLD_ENGINE, JD_METRIC_ENGINE_CYCLE, &value));
    assert_false(jd_sample_metric(&s, JD_REGIME_COLD_PROCESS, JD_METRIC_NS_PER_CALL, &value));
    assert_true(jd_sample_metric(&s, JD_REGIME_COLD_PROCESS, JD_METRIC_WORST_PAUSE, &value));
    assert_true(value == 800);
    assert_true(jd_sample_metric(&s, JD_REGIME_COLD_PROCESS, JD_METRIC_TEARDOWN, &value));
    assert_true(value == (double)s.phase_ns[JD_SPAN_TEARDOWN]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_unknown_is_said),
        cmocka_unit_test(test_no_infinity),     cmocka_unit_test(test_wrong_members),
        cmocka_unit_test(test_detail_is_tamed), cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
