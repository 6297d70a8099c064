# The AWS CLI: a job, an array, a failure, a termination and an error.
set -euo pipefail
export AWS_PAGER=

ended() {  # waits until a job has ended, as scripts do
    while true; do
        status=$(aws batch describe-jobs --jobs "$1" --query 'jobs[0].status' --output text)
        case $status in SUCCEEDED | FAILED) return ;; esac
    done
}

submit() {
    aws batch submit-job --job-queue default --query jobId --output text "$@"
}

aws batch describe-job-queues --output text \
    --query "jobQueues[].join(' ', [join('', [jobQueueName, ':']), state, status])"

aws batch register-job-definition --job-definition-name greeting --type container \
    --container-properties '{"image": "busybox", "vcpus": 1, "memory": 128,
        "command": ["echo", "hello from a job"]}' \
    --query "join(':', [jobDefinitionName, to_string(revision)])" \
    --output text

job=$(submit --job-name greet --job-definition greeting)
ended "$job"
aws batch describe-jobs --jobs "$job" --output text \
    --query "jobs[0].join(' ', [status, to_string(container.exitCode)])"
stream=$(aws batch describe-jobs --jobs "$job" --output text \
    --query 'jobs[0].container.logStreamName')
aws logs get-log-events --log-group-name /aws/batch/job --log-stream-name "$stream" \
    --output text --query 'events[].message'
aws logs filter-log-events --log-group-name /aws/batch/job --log-stream-names "$stream" \
    --output text --query 'events[].message'

array=$(submit --job-name many --job-definition greeting --array-properties size=2)
ended "$array"
children=$(aws batch list-jobs --array-job-id "$array" --job-status SUCCEEDED \
    --query 'length(jobSummaryList)' --output text)
echo "array: $status $children"

failing=$(submit --job-name fail --job-definition command \
    --container-overrides '{"command": ["sh", "-c", "exit 3"]}')
ended "$failing"
aws batch describe-jobs --jobs "$failing" --output text --query \
    "jobs[0].join(' ', ['failed:', to_string(container.exitCode), statusReason])"

endless=$(submit --job-name endless --job-definition command \
    --container-overrides '{"command": ["sleep", "600"]}')
aws batch terminate-job --job-id "$endless" --reason 'no longer needed'
ended "$endless"
aws batch describe-jobs --jobs "$endless" --output text \
    --query "jobs[0].join(' ', ['terminated:', statusReason])"

if message=$(aws batch submit-job --job-queue no-such-queue --job-name x \
    --job-definition greeting 2>&1); then
    exit 1
fi
grep -o 'An error occurred (ClientException)' <<<"$message"
