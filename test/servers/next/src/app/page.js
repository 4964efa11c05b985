export default function Page() {
  return <p>It works.</p>;
}
