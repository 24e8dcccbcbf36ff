//! Objects are made and changed: create, apply, edit, patch, diff, replace, label, annotate, set.

use rutter_tests::{Cluster, Step};

use super::room::{Room, WEB};

pub(crate) const STEPS: &[Step] = &[
    ("create_makes_every_kind_it_has_a_word_for", create),
    ("create_refuses_what_is_there_or_wrong", create_refuses),
    ("apply_makes_changes_and_prunes", apply),
    ("apply_on_the_server_owns_fields_and_forces_conflicts", apply_on_the_server),
    ("edit_saves_what_the_editor_wrote", edit),
    ("patch_comes_in_three_kinds", patch),
    ("diff_tells_what_apply_would_change", diff),
    ("replace_puts_an_object_in_the_place_of_another", replace),
    ("label_and_annotate_add_change_and_remove", label_and_annotate),
    ("set_changes_one_thing_of_a_workload", set),
];

fn create(cluster: &Cluster) {
    let room = Room::new(cluster, "create");
    let made = [
        ("configmap cm --from-literal=a=b", "configmap/cm created"),
        ("secret generic s --from-literal=a=b", "secret/s created"),
        (
            "secret docker-registry pull --docker-username=u --docker-password=p --docker-server=r.example",
            "secret/pull created",
        ),
        ("serviceaccount robot", "serviceaccount/robot created"),
        ("deployment web --image=demo:1 --replicas=1 --port=80", "deployment.apps/web created"),
        ("service clusterip web --tcp=80:8080", "service/web created"),
        ("service nodeport np --tcp=80", "service/np created"),
        ("service loadbalancer lb --tcp=80", "service/lb created"),
        ("service externalname en --external-name=example.com", "service/en created"),
        ("job one --image=demo:1 -- true", "job.batch/one created"),
        ("cronjob nightly --image=demo:1 --schedule='0 3 * * *'", "cronjob.batch/nightly created"),
        ("job again --from=cronjob/nightly", "job.batch/again created"),
        ("quota q --hard=pods=90,services=80", "resourcequota/q created"),
        ("role reader --verb=get,list --resource=pods", "role.rbac.authorization.k8s.io/reader created"),
        (
            "rolebinding readers --role=reader --serviceaccount=create:robot",
            "rolebinding.rbac.authorization.k8s.io/readers created",
        ),
        (
            "clusterrole create-reader --verb=get --resource=nodes",
            "clusterrole.rbac.authorization.k8s.io/create-reader created",
        ),
        (
            "clusterrolebinding create-readers --clusterrole=create-reader --user=u",
            "clusterrolebinding.rbac.authorization.k8s.io/create-readers created",
        ),
        ("ingress way --rule='example.com/=web:80'", "ingress.networking.k8s.io/way created"),
        (
            "poddisruptionbudget keep --selector=app=web --min-available=1",
            "poddisruptionbudget.policy/keep created",
        ),
        (
            "priorityclass create-high --value=1000 --description=high",
            "priorityclass.scheduling.k8s.io/create-high created",
        ),
    ];
    for (words, said) in made {
        room.says(&format!("kubectl create {words}"), said);
    }
    room.says("kubectl create token robot --duration=10m | tr . '\\n' | grep -c .", "3");
    room.says("kubectl get secret pull -o jsonpath={.type}", "kubernetes.io/dockerconfigjson");
    room.says("kubectl get job again -o jsonpath='{.metadata.ownerReferences[0].kind}'", "CronJob");
    room.tells(
        "kubectl create -f $DIR/web.yaml --dry-run=client",
        &["deployment.apps/web created (dry run)"],
    );
    room.says(
        "sed 's/name: web,/generateName: web-,/' $DIR/web.yaml | kubectl create -f - -o name | sed 's/-[a-z0-9]*$/-?/'",
        "deployment.apps/web-?\nservice/web-?",
    );
}

fn create_refuses(cluster: &Cluster) {
    let room = Room::new(cluster, "create-refuses");
    room.run("sed -i '/^---/,$d' $DIR/web.yaml");
    room.run("kubectl create configmap cm");
    room.refused(
        "kubectl create configmap cm",
        "error: failed to create configmap: configmaps \"cm\" already exists",
    );
    room.refused(
        "kubectl create -f $DIR/web.yaml -n absent",
        "Error from server (NotFound): error when creating",
    );
    room.refused(
        "sed 's/replicas: 2/replica: 2/' $DIR/web.yaml | kubectl create -f -",
        "strict decoding error: unknown field \"spec.replica\"",
    );
    room.refused(
        "sed 's/replicas: 2/replicas: two/' $DIR/web.yaml | kubectl create --validate=false -f -",
        "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    room.tells(
        "sed 's/replicas: 2/replica: 2/' $DIR/web.yaml | kubectl create --validate=warn -f - 2>&1",
        &["Warning: unknown field \"spec.replica\"", "deployment.apps/web created"],
    );
    room.refused(
        "kubectl create service clusterip Bad_Name --tcp=80",
        "metadata.name: Invalid value: \"Bad_Name\"",
    );
}

fn apply(cluster: &Cluster) {
    let room = Room::new(cluster, "apply");
    room.says("kubectl apply -f $DIR/web.yaml", "deployment.apps/web created\nservice/web created");
    room.says("kubectl apply -f $DIR/web.yaml", "deployment.apps/web unchanged\nservice/web unchanged");
    room.tells("kubectl apply view-last-applied deployment/web", &["replicas: 2"]);
    // What another scaled is left alone while the manifest says nothing else.
    room.run("kubectl label deployment web by=hand");
    room.run("sed -i 's/replicas: 2/replicas: 3/' $DIR/web.yaml");
    room.says("kubectl apply -f $DIR/web.yaml", "deployment.apps/web configured\nservice/web unchanged");
    room.says("kubectl get deployment web -o jsonpath='{.spec.replicas} {.metadata.labels.by}'", "3 hand");
    // A field that the manifest no longer has goes.
    room.run("sed -i 's/, ports: \\[{containerPort: 80}\\]//' $DIR/web.yaml");
    room.run("kubectl apply -f $DIR/web.yaml");
    room.says("kubectl get deployment web -o jsonpath='{..containerPort}'", "");
    room.run("kubectl set env deployment/web A=b && kubectl apply set-last-applied -f $DIR/web.yaml");

    let map = |name: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{set: one}}}}\n---\n")
    };
    room.write("maps.yaml", &(map("a") + &map("b")));
    room.says(
        "kubectl apply -f $DIR/maps.yaml --prune -l set=one",
        "configmap/a created\nconfigmap/b created",
    );
    room.write("maps.yaml", &map("b"));
    room.says(
        "kubectl apply -f $DIR/maps.yaml --prune -l set=one --prune-allowlist=core/v1/ConfigMap",
        "configmap/b unchanged\nconfigmap/a pruned",
    );
    room.says("kubectl get configmap -l set=one -o name", "configmap/b");
    // The newer way: a set that remembers its members.
    room.write("set.yaml", &(map("c") + &map("d")).replace(", labels: {set: one}", ""));
    room.run("KUBECTL_APPLYSET=true kubectl apply -n apply -f $DIR/set.yaml --prune --applyset=mine");
    room.write("set.yaml", &map("d").replace(", labels: {set: one}", ""));
    room.tells(
        "KUBECTL_APPLYSET=true kubectl apply -n apply -f $DIR/set.yaml --prune --applyset=mine",
        &["configmap/d unchanged", "configmap/c pruned"],
    );
    // A list is no kind that a schema is told of: kubectl looks for it in the older document, in protobuf.
    let item = |name: &str| format!("- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n");
    room.write("list.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item("e"), item("f")));
    room.says("kubectl apply -f $DIR/list.yaml", "configmap/e created\nconfigmap/f created");
    room.refused("kubectl apply -f $DIR/none.yaml", "the path");
}

fn apply_on_the_server(cluster: &Cluster) {
    let room = Room::new(cluster, "apply-server");
    let applied = "deployment.apps/web serverside-applied\nservice/web serverside-applied";
    room.says("kubectl apply --server-side -f $DIR/web.yaml", applied);
    room.says("kubectl apply --server-side -f $DIR/web.yaml", applied);
    let three = "sed 's/replicas: 2/replicas: 3/' $DIR/web.yaml | kubectl apply --server-side --field-manager=other -f -";
    room.refused(three, "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas");
    room.says(&format!("{three} --force-conflicts"), applied);
    room.says("kubectl get deployment web -o jsonpath={.spec.replicas}", "3");
    room.says(
        "kubectl get deployment web --show-managed-fields -o json | jq -r '[.metadata.managedFields[]|select(.operation==\"Apply\").manager]|sort|join(\" \")'",
        "kubectl other",
    );
    // From client-side apply to the server's: what kubectl wrote before is not in the way of itself.
    room.run("kubectl delete -f $DIR/web.yaml");
    room.run("kubectl apply -f $DIR/web.yaml");
    room.run("sed -i 's/replicas: 2/replicas: 4/' $DIR/web.yaml");
    room.says("kubectl apply --server-side -f $DIR/web.yaml", applied);
    room.run("sed -i 's/, ports: \\[{containerPort: 80}\\]//' $DIR/web.yaml");
    room.says("kubectl apply --server-side -f $DIR/web.yaml", applied);
    room.says("kubectl get deployment web -o jsonpath='{..containerPort}'", "");
}

fn edit(cluster: &Cluster) {
    let room = Room::new(cluster, "edit");
    room.run("kubectl create configmap cm --from-literal=a=b");
    room.says("EDITOR='sed -i s/a:.b$/a:\\ c/' kubectl edit configmap cm", "configmap/cm edited");
    room.says("kubectl get configmap cm -o jsonpath={.data.a}", "c");
    room.says(
        "EDITOR='sed -i s/c$/d/' kubectl edit configmap/cm -o json 2>&1",
        "Edit cancelled, no changes made.",
    );
    room.tells("EDITOR=true kubectl edit configmap cm 2>&1", &["Edit cancelled, no changes made."]);
    room.run("kubectl apply -f $DIR/web.yaml");
    room.says(
        "EDITOR='sed -i s/replicas:.2$/replicas:\\ 5/' kubectl edit deployment/web",
        "deployment.apps/web edited",
    );
    room.says("kubectl get deployment web -o jsonpath={.spec.replicas}", "5");
}

fn patch(cluster: &Cluster) {
    let room = Room::new(cluster, "patch");
    room.run("kubectl apply -f $DIR/web.yaml");
    room.says(
        r#"kubectl patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"demo:2"}]}}}}'"#,
        "deployment.apps/web patched",
    );
    room.says("kubectl get deployment web -o jsonpath='{..image} {..containerPort}'", "demo:2 80");
    room.says(
        r#"kubectl patch deployment web --type=merge -p '{"metadata":{"labels":{"x":"y","app":null}}}'"#,
        "deployment.apps/web patched",
    );
    room.says("kubectl get deployment web -o jsonpath={.metadata.labels}", r#"{"x":"y"}"#);
    room.says(
        r#"kubectl patch deployment web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":1},{"op":"test","path":"/spec/replicas","value":1}]'"#,
        "deployment.apps/web patched",
    );
    room.says("kubectl patch deployment web -p '{}'", "deployment.apps/web patched (no change)");
    room.says(
        r#"kubectl patch deployment web --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'"#,
        "scale.autoscaling/web patched",
    );
    room.says("kubectl get deployment web -o jsonpath={.spec.replicas}", "2");
    room.refused(
        r#"kubectl patch deployment web --type=json -p '[{"op":"remove","path":"/spec/absent"}]'"#,
        "The request is invalid: the server rejected our request due to an error in our request",
    );
    room.refused(
        r#"kubectl patch deployment web -p '{"spec":{"replicas":-1}}'"#,
        "must be greater than or equal to 0",
    );
    room.refused("kubectl patch deployment absent -p '{}'", "deployments.apps \"absent\" not found");
}

fn diff(cluster: &Cluster) {
    let room = Room::new(cluster, "diff");
    room.refused("kubectl diff -f $DIR/web.yaml", "+kind: Deployment");
    room.run("kubectl apply -f $DIR/web.yaml");
    // A status that is written between kubectl's two reads would be a difference.
    room.run("kubectl rollout status deployment/web --timeout=90s");
    room.until("kubectl diff -f $DIR/web.yaml && echo same", "same");
    let stands = "kubectl get deployment web -o 'jsonpath={.metadata.generation} {.spec.replicas}'";
    let before = room.run(stands);
    room.refused("sed 's/replicas: 2/replicas: 3/' $DIR/web.yaml | kubectl diff -f -", "+  replicas: 3");
    room.says(stands, &before);
    room.run("kubectl delete -f $DIR/web.yaml && kubectl apply --server-side -f $DIR/web.yaml");
    room.run("kubectl rollout status deployment/web --timeout=90s");
    room.until("kubectl diff --server-side -f $DIR/web.yaml && echo same", "same");
    room.refused(
        "sed 's/replicas: 2/replicas: 3/' $DIR/web.yaml | kubectl diff --server-side -f -",
        "+  replicas: 3",
    );
}

fn replace(cluster: &Cluster) {
    let room = Room::new(cluster, "replace");
    // A Service is created where it is not, as upstream's strategy for it allows; a Deployment is not.
    room.refused("kubectl replace -f $DIR/web.yaml", "deployments.apps \"web\" not found");
    room.run("kubectl delete service web && kubectl create -f $DIR/web.yaml");
    room.run("kubectl rollout status deployment/web --timeout=90s");
    room.run("sed -i 's/replicas: 2/replicas: 4/' $DIR/web.yaml");
    // kubectl reads what stands and sends its revision: a status written between is a conflict, and tried again.
    room.until("kubectl replace -f $DIR/web.yaml", "deployment.apps/web replaced\nservice/web replaced");
    room.says("kubectl get deployment web -o jsonpath={.spec.replicas}", "4");
    let uid = room.run("kubectl get service web -o jsonpath={.metadata.uid}");
    room.says(
        "kubectl replace --force -f $DIR/web.yaml",
        "deployment.apps \"web\" deleted\nservice \"web\" deleted\ndeployment.apps/web replaced\nservice/web replaced",
    );
    assert_ne!(room.run("kubectl get service web -o jsonpath={.metadata.uid}"), uid);
    room.refused(
        "kubectl get service web -o yaml | sed 's/resourceVersion: .*/resourceVersion: \"1\"/' | kubectl replace -f -",
        "the object has been modified; please apply your changes to the latest version and try again",
    );
    room.refused(
        "kubectl get deployment web -o json | jq '.spec.selector.matchLabels.app=\"other\"' | kubectl replace -f -",
        "field is immutable",
    );
}

fn label_and_annotate(cluster: &Cluster) {
    let room = Room::new(cluster, "label");
    room.run("kubectl create configmap a && kubectl create configmap b");
    room.says("kubectl label configmap a x=1 y=2", "configmap/a labeled");
    room.refused("kubectl label configmap a x=3", "'x' already has a value (1), and --overwrite is false");
    room.says("kubectl label configmap a x=3 --overwrite", "configmap/a labeled");
    room.says("kubectl label configmap a x-", "configmap/a unlabeled");
    room.says("kubectl get configmap a -o jsonpath={.metadata.labels}", r#"{"y":"2"}"#);
    room.says("kubectl label configmap z=1 -l y", "configmap/a labeled");
    room.says("kubectl label configmap a z=1", "configmap/a not labeled");
    room.says("kubectl annotate configmap a b n=1", "configmap/a annotated\nconfigmap/b annotated");
    room.says("kubectl annotate configmap b n-", "configmap/b annotated");
    room.says("kubectl annotate configmap a n=2 --overwrite --resource-version=$(kubectl get configmap a -o jsonpath={.metadata.resourceVersion})", "configmap/a annotated");
    room.refused(
        "kubectl annotate configmap a n=3 --overwrite --resource-version=1",
        "the object has been modified",
    );
    room.refused("kubectl label configmap a 'bad label=1'", "Invalid value");
    let long = format!("kubectl label configmap a long={}", "x".repeat(64));
    room.refused(&long, "must be no more than 63 ");
}

fn set(cluster: &Cluster) {
    let room = Room::new(cluster, "set");
    room.run("kubectl apply -f $DIR/web.yaml && kubectl create serviceaccount robot && kubectl create configmap cm --from-literal=k=v");
    room.says("kubectl set image deployment/web c=demo:2", "deployment.apps/web image updated");
    room.says("kubectl set env deployment/web A=b", "deployment.apps/web env updated");
    room.says("kubectl set env deployment/web --from=configmap/cm", "deployment.apps/web env updated");
    room.says("kubectl set env deployment/web A-", "deployment.apps/web env updated");
    room.tells("kubectl set env deployment/web --list", &["# K from configmap cm, key k"]);
    room.says(
        "kubectl set resources deployment/web --limits=cpu=200m,memory=512Mi --requests=cpu=100m",
        "deployment.apps/web resource requirements updated",
    );
    room.says(
        "kubectl get deployment web -o jsonpath='{..resources.limits.memory} {..resources.requests.cpu} {..image}'",
        "512Mi 100m demo:2",
    );
    room.says(
        "kubectl set serviceaccount deployment/web robot",
        "deployment.apps/web serviceaccount updated",
    );
    room.says("kubectl get deployment web -o jsonpath={..serviceAccountName}", "robot");
    room.says("kubectl set selector service/web app=other", "service/web selector updated");
    room.says("kubectl get service web -o jsonpath={.spec.selector}", r#"{"app":"other"}"#);
    room.run("kubectl create rolebinding rb --role=r --user=u");
    room.says(
        "kubectl set subject rolebinding/rb --group=g",
        "rolebinding.rbac.authorization.k8s.io/rb subjects updated",
    );
    room.write("set.yaml", WEB);
}
